package org.vlmserve.importer.graph;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import ai.onnx.proto.OnnxMl.TypeProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * Runs a graph piece by piece, so that the weights of one piece are in memory at a time.
 *
 * <p>Nodes that depend on no weight, or on no more than the shape of what does, such as those of masks, belong to every piece that needs
 * them; the others run once, in the graph's order, and what they give to later pieces is a tensor of floats, bytes or 64-bit numbers.
 */
final class PiecewiseRun {

    /** Runs the graph of a piece. */
    interface Runner {
        Map<String, Tensor> run(byte[] model, Map<String, Tensor> inputs) throws IOException;
    }

    private final ModelProto model;
    private final long pieceBytes;
    private final Runner runner;
    private final Map<String, TensorProto> initializers = new HashMap<>();
    private final Map<String, ValueInfoProto> inputs = new LinkedHashMap<>();
    private final Map<String, NodeProto> lightProducers = new HashMap<>();
    private final List<List<NodeProto>> pieces = new ArrayList<>();

    /** @param pieceBytes weights of a piece; a single node may have more */
    PiecewiseRun(ModelProto model, long pieceBytes, Runner runner) {
        this.model = model;
        this.pieceBytes = pieceBytes;
        this.runner = runner;
        GraphProto graph = model.getGraph();
        graph.getInitializerList().forEach(tensor -> initializers.put(tensor.getName(), tensor));
        graph.getInputList().forEach(input -> inputs.put(input.getName(), input));
        cut(graph);
    }

    /** How many pieces there are. */
    int pieces() {
        return pieces.size();
    }

    private void cut(GraphProto graph) {
        Set<String> heavy = new HashSet<>();
        List<NodeProto> piece = new ArrayList<>();
        long bytes = 0;
        for (NodeProto node : graph.getNodeList()) {
            Set<String> taken = taken(node);
            long own = taken.stream().mapToLong(this::weightBytes).sum();
            if (own == 0 && taken.stream().noneMatch(heavy::contains)) {
                node.getOutputList().forEach(output -> lightProducers.put(output, node));
                continue;
            }
            if (!node.getOpType().equals("Shape")) {
                heavy.addAll(node.getOutputList());
            }
            if (!piece.isEmpty() && bytes + own > pieceBytes) {
                pieces.add(piece);
                piece = new ArrayList<>();
                bytes = 0;
            }
            piece.add(node);
            bytes += own;
        }
        if (!piece.isEmpty()) {
            pieces.add(piece);
        }
    }

    /** Bytes of a weight that lies outside of the graph, or 0. */
    private long weightBytes(String name) {
        TensorProto tensor = initializers.get(name);
        if (tensor == null) {
            return 0;
        }
        return tensor.getExternalDataList().stream()
                .filter(entry -> entry.getKey().equals("length"))
                .map(StringStringEntryProto::getValue)
                .mapToLong(Long::parseLong)
                .sum();
    }

    /** What a node takes, its bodies included. */
    private static Set<String> taken(NodeProto node) {
        Set<String> names = new LinkedHashSet<>(node.getInputList());
        for (AttributeProto attribute : node.getAttributeList()) {
            if (attribute.hasG()) {
                for (NodeProto inner : attribute.getG().getNodeList()) {
                    names.addAll(taken(inner));
                }
            }
        }
        names.remove("");
        return names;
    }

    /** Adds what a piece must be given, or makes, for {@code node}: what it takes, and what light nodes before it take. */
    private void needs(NodeProto node, Set<String> wanted) {
        for (String name : taken(node)) {
            NodeProto producer = lightProducers.get(name);
            if (wanted.add(name) && producer != null) {
                needs(producer, wanted);
            }
        }
    }

    /**
     * @param step is told of each piece
     * @return the outputs that the last piece gives
     */
    Map<String, Tensor> run(Map<String, Tensor> given, Runnable step) throws IOException {
        Map<String, Tensor> known = new HashMap<>(given);
        Map<String, Tensor> last = Map.of();
        for (int i = 0; i < pieces.size(); i++) {
            Set<String> wanted = new HashSet<>();
            for (List<NodeProto> later : pieces.subList(i + 1, pieces.size())) {
                later.forEach(node -> needs(node, wanted));
            }
            last = run(pieces.get(i), known, wanted);
            known.putAll(last);
            known.keySet().removeIf(name -> !given.containsKey(name) && !wanted.contains(name));
            step.run();
        }
        return last;
    }

    private Map<String, Tensor> run(List<NodeProto> nodes, Map<String, Tensor> known, Set<String> wanted)
            throws IOException {
        GraphProto.Builder piece = GraphProto.newBuilder().setName("piece");
        Map<String, Tensor> given = new HashMap<>();
        Set<String> seen = new HashSet<>();
        Set<NodeProto> added = new HashSet<>();
        Set<String> made = new LinkedHashSet<>();
        nodes.forEach(node -> made.addAll(node.getOutputList()));
        for (NodeProto node : nodes) {
            for (String name : taken(node)) {
                take(name, made, seen, added, known, given, piece);
            }
            piece.addNode(node);
        }
        boolean ends = wanted.isEmpty();
        Set<String> results = new HashSet<>();
        model.getGraph().getOutputList().forEach(output -> results.add(output.getName()));
        for (String name : made) {
            if (wanted.contains(name) || ends && results.contains(name)) {
                piece.addOutput(ValueInfoProto.newBuilder().setName(name));
            }
        }
        return runner.run(model.toBuilder().setGraph(piece).build().toByteArray(), given);
    }

    /** Sees to it that the piece has a value before a node takes it. */
    private void take(
            String name,
            Set<String> made,
            Set<String> seen,
            Set<NodeProto> added,
            Map<String, Tensor> known,
            Map<String, Tensor> given,
            GraphProto.Builder piece) {
        if (made.contains(name) || !seen.add(name)) {
            return;
        }
        TensorProto constant = initializers.get(name);
        NodeProto producer = lightProducers.get(name);
        Tensor tensor = known.get(name);
        if (constant != null) {
            piece.addInitializer(constant);
        } else if (producer != null) {
            for (String needed : taken(producer)) {
                take(needed, made, seen, added, known, given, piece);
            }
            if (added.add(producer)) {
                piece.addNode(producer);
            }
        } else if (tensor != null) {
            given.put(name, tensor);
            ValueInfoProto declared = inputs.get(name);
            piece.addInput(declared == null ? info(name, tensor.dtype()) : declared);
        }
        // Anything else is a body's own.
    }

    private static ValueInfoProto info(String name, DType dtype) {
        int type = switch (dtype) {
            case F32 -> TensorProto.DataType.FLOAT_VALUE;
            case F16 -> TensorProto.DataType.FLOAT16_VALUE;
            case BF16 -> TensorProto.DataType.BFLOAT16_VALUE;
            case I64 -> TensorProto.DataType.INT64_VALUE;
            case U8 -> TensorProto.DataType.UINT8_VALUE;
        };
        return ValueInfoProto.newBuilder()
                .setName(name)
                .setType(TypeProto.newBuilder()
                        .setTensorType(TypeProto.Tensor.newBuilder().setElemType(type)))
                .build();
    }
}
