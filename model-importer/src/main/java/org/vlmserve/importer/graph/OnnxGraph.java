package org.vlmserve.importer.graph;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.OperatorSetIdProto;
import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import ai.onnx.proto.OnnxMl.TensorShapeProto;
import ai.onnx.proto.OnnxMl.TypeProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * A graph under construction. Nodes are added in the order in which they run; what a node computes is a {@link Value}, which
 * later nodes take. Small constants lie in the graph, everything from a checkpoint in its {@link WeightFile}. The same calls give
 * the same bytes.
 */
public final class OnnxGraph {

    private static final int IR_VERSION = 10;
    private static final int OLDEST_OPSET = 21;
    private static final String MICROSOFT = "com.microsoft";

    private final GraphProto.Builder graph;
    private final WeightFile weights;
    private final Set<String> names = new HashSet<>();
    private final Map<String, Value> constants = new HashMap<>();
    private final Map<String, String> metadata = new TreeMap<>();
    private int opset = OLDEST_OPSET;

    private final Magnitudes magnitudes = new Magnitudes();

    /** Where nodes go: {@link #graph}, or the body that is being built. */
    private GraphProto.Builder scope;

    /** A graph inside a graph, which a node runs once or many times. */
    public record Body(GraphProto graph) {}

    public OnnxGraph(String name, WeightFile weights) {
        this.graph = GraphProto.newBuilder().setName(name);
        this.weights = weights;
        this.scope = graph;
    }

    /** Asks for operators of at least this version of the ONNX standard. */
    public void requireOpset(int version) {
        opset = Math.max(opset, version);
    }

    /**
     * What {@code build} adds, as a body of its own: inputs, outputs and nodes are the body's. It may take any value that was
     * made before; constants and weights stay outside.
     */
    public Body body(String name, Runnable build) {
        GraphProto.Builder outer = scope;
        scope = GraphProto.newBuilder().setName(name);
        try {
            build.run();
            return new Body(scope.build());
        } finally {
            scope = outer;
        }
    }

    public WeightFile weights() {
        return weights;
    }

    /** What is known of the size of this graph's values. */
    Magnitudes magnitudes() {
        return magnitudes;
    }

    /** Bytes of the weights by the format of their layer; those that belong to no linear layer are floats. */
    public Map<WeightFormat, Long> bytesByFormat() {
        Map<WeightFormat, Long> bytes = new EnumMap<>(WeightFormat.class);
        for (TensorProto tensor : graph.getInitializerList()) {
            String layer = tensor.getName().replaceFirst("\\.(weight|scale)$", "");
            WeightFormat format =
                    WeightFormat.valueOf(metadata.getOrDefault("format." + layer, WeightFormat.FP32.name()));
            tensor.getExternalDataList().stream()
                    .filter(entry -> entry.getKey().equals("length"))
                    .forEach(entry -> bytes.merge(format, Long.valueOf(entry.getValue()), Long::sum));
        }
        return bytes;
    }

    /** Adds a property that {@code graph.onnx} carries for people, such as the format of a weight. */
    public void describe(String key, String value) {
        metadata.put(key, value);
    }

    public Value input(String name, ElementType type, Axis... axes) {
        scope.addInput(info(name, type, axes));
        return new Value(unique(name));
    }

    /** Declares {@code value}, which a node already gives under this name, as an output of the graph. */
    public void output(Value value, ElementType type, Axis... axes) {
        scope.addOutput(info(value.name(), type, axes));
    }

    /** A weight from the checkpoint, kept beside the graph. */
    public Value weight(String name, ElementType type, WeightData data, long... shape) {
        WeightFile.Extent extent = weights.add(name, data, type, shape);
        TensorProto.Builder tensor = TensorProto.newBuilder()
                .setName(unique(name))
                .setDataType(type.number())
                .setDataLocation(TensorProto.DataLocation.EXTERNAL)
                .addExternalData(entry("location", weights.name()))
                .addExternalData(entry("offset", Long.toString(extent.offset())))
                .addExternalData(entry("length", Long.toString(extent.length())));
        Arrays.stream(shape).forEach(tensor::addDims);
        graph.addInitializer(tensor);
        return new Value(name);
    }

    /** The constant [values.length]; equal constants are kept once. */
    public Value floats(float... values) {
        ByteBuffer data = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        data.asFloatBuffer().put(values);
        return constant(ElementType.FLOAT, data.array(), values.length);
    }

    /** The constant [values.length]; equal constants are kept once. */
    public Value longs(long... values) {
        ByteBuffer data = ByteBuffer.allocate(values.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        data.asLongBuffer().put(values);
        return constant(ElementType.INT64, data.array(), values.length);
    }

    /** The constant without dimensions. */
    public Value scalar(float value) {
        byte[] data = ByteBuffer.allocate(Float.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat(value)
                .array();
        return constant(ElementType.FLOAT, data);
    }

    /** The constant without dimensions. */
    public Value longScalar(long value) {
        byte[] data = ByteBuffer.allocate(Long.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array();
        return constant(ElementType.INT64, data);
    }

    /** The constant without dimensions. */
    public Value unsignedByte(int value) {
        return constant(ElementType.UINT8, new byte[] {(byte) value});
    }

    private Value constant(ElementType type, byte[] data, long... shape) {
        return constants.computeIfAbsent(type + Arrays.toString(shape) + Arrays.toString(data), key -> {
            String name = unique("constant_" + constants.size());
            TensorProto.Builder tensor = TensorProto.newBuilder()
                    .setName(name)
                    .setDataType(type.number())
                    .setRawData(ByteString.copyFrom(data));
            Arrays.stream(shape).forEach(tensor::addDims);
            graph.addInitializer(tensor);
            return new Value(name);
        });
    }

    /** Begins a node of the ONNX standard. {@code name} is unique in the graph; its outputs are named after it. */
    public Node node(String name, String operator, Value... inputs) {
        return new Node("", name, operator, inputs);
    }

    /** Begins a node of ONNX Runtime's own operators. */
    public Node microsoft(String name, String operator, Value... inputs) {
        return new Node(MICROSOFT, name, operator, inputs);
    }

    /** The finished graph. */
    public byte[] serialize() {
        ModelProto.Builder model = ModelProto.newBuilder()
                .setIrVersion(IR_VERSION)
                .setProducerName("vlm-suite")
                .addOpsetImport(OperatorSetIdProto.newBuilder().setDomain("").setVersion(opset))
                .addOpsetImport(
                        OperatorSetIdProto.newBuilder().setDomain(MICROSOFT).setVersion(1))
                .setGraph(graph);
        metadata.forEach((key, value) -> model.addMetadataProps(entry(key, value)));
        return model.build().toByteArray();
    }

    private String unique(String name) {
        if (!names.add(name)) {
            throw new IllegalArgumentException("the graph has two values named " + name);
        }
        return name;
    }

    private static StringStringEntryProto entry(String key, String value) {
        return StringStringEntryProto.newBuilder().setKey(key).setValue(value).build();
    }

    private static ValueInfoProto info(String name, ElementType type, Axis... axes) {
        TensorShapeProto.Builder shape = TensorShapeProto.newBuilder();
        for (Axis axis : axes) {
            TensorShapeProto.Dimension.Builder dimension = TensorShapeProto.Dimension.newBuilder();
            shape.addDim(
                    axis.symbol() == null ? dimension.setDimValue(axis.size()) : dimension.setDimParam(axis.symbol()));
        }
        TypeProto.Tensor.Builder tensor =
                TypeProto.Tensor.newBuilder().setElemType(type.number()).setShape(shape);
        return ValueInfoProto.newBuilder()
                .setName(name)
                .setType(TypeProto.newBuilder().setTensorType(tensor))
                .build();
    }

    /** A node that is being described; {@link #output()} or {@link #outputs} adds it to the graph. */
    public final class Node {

        private final NodeProto.Builder node;
        private final String name;

        private Node(String domain, String name, String operator, Value... inputs) {
            this.name = name;
            this.node =
                    NodeProto.newBuilder().setDomain(domain).setOpType(operator).setName(name);
            for (Value input : inputs) {
                node.addInput(input.name());
            }
        }

        public Node with(String attribute, long value) {
            node.addAttribute(
                    attribute(attribute, AttributeProto.AttributeType.INT).setI(value));
            return this;
        }

        public Node with(String attribute, float value) {
            node.addAttribute(
                    attribute(attribute, AttributeProto.AttributeType.FLOAT).setF(value));
            return this;
        }

        public Node with(String attribute, List<Integer> values) {
            AttributeProto.Builder ints = attribute(attribute, AttributeProto.AttributeType.INTS);
            values.forEach(ints::addInts);
            node.addAttribute(ints);
            return this;
        }

        public Node with(String attribute, Body body) {
            node.addAttribute(
                    attribute(attribute, AttributeProto.AttributeType.GRAPH).setG(body.graph()));
            return this;
        }

        /** The one output, named as the node. */
        public Value output() {
            return outputs(name).getFirst();
        }

        /** The outputs under these names; an empty one is left out. */
        public List<Value> outputs(String... outputs) {
            for (String output : outputs) {
                node.addOutput(output.isEmpty() ? output : unique(output));
            }
            scope.addNode(node);
            List<Value> values = Arrays.stream(outputs).map(Value::new).toList();
            magnitudes.follow(
                    node.getOpType(),
                    node.getInputList().stream().map(Value::new).toList(),
                    values.getFirst());
            return values;
        }

        private static AttributeProto.Builder attribute(String name, AttributeProto.AttributeType type) {
            return AttributeProto.newBuilder().setName(name).setType(type);
        }
    }
}
