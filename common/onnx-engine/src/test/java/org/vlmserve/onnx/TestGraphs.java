package org.vlmserve.onnx;

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
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;

/** The tiny graphs of these tests. {@link #main} writes those that are packaged with the engine. */
final class TestGraphs {

    /** Sizes of {@link #decoder()}. */
    static final DecoderShape DECODER = new DecoderShape(2, 2, 16, 64, 40, 3);

    private static final int FLOAT = TensorProto.DataType.FLOAT_VALUE;
    private static final int INT8 = TensorProto.DataType.INT8_VALUE;
    private static final int UINT8 = TensorProto.DataType.UINT8_VALUE;
    private static final int INT32 = TensorProto.DataType.INT32_VALUE;
    private static final int INT64 = TensorProto.DataType.INT64_VALUE;
    private static final int LONGEST = 64;

    private final GraphProto.Builder graph = GraphProto.newBuilder().setName("test");
    private final Map<String, String> metadata = new TreeMap<>();
    private int opset = 21;

    private TestGraphs() {}

    /** Writes the packaged graphs of {@link Kernel} into the directory given. */
    public static void main(String[] args) throws IOException {
        for (Kernel kernel : Kernel.values()) {
            Files.write(Path.of(args[0], kernel.graph()), kernelCheck(kernel));
        }
    }

    /** What is packaged for {@code kernel}. */
    static byte[] kernelCheck(Kernel kernel) {
        return switch (kernel) {
            case ROWWISE_SIGNED, ROWWISE_UNSIGNED -> rowwiseInt8(true);
            case BLOCK_INT8 -> blocks(8);
            case BLOCK_INT4 -> blocks(4);
        };
    }

    /**
     * y [rows, COLUMNS] = the row-wise 8-bit product of x [rows, DEPTH], as the importer builds it.
     *
     * @param zeroPoint whether the product has the zero point of weights that ONNX Runtime's rewriting of them needs
     */
    static byte[] rowwiseInt8(boolean zeroPoint) {
        TestGraphs g = new TestGraphs();
        int depth = Kernel.DEPTH;
        int columns = Kernel.COLUMNS;
        byte[] weights = new byte[depth * columns];
        for (int k = 0; k < depth; k++) {
            for (int n = 0; n < columns; n++) {
                weights[k * columns + n] = (byte) Kernel.weight(8, k, n);
            }
        }
        g.input("x", FLOAT, "rows", depth);
        g.constant("w", INT8, weights, depth, columns);
        g.floats("s", scales(columns), columns);
        g.floats("one", new float[] {1});
        g.floats("step", new float[] {1f / 127});
        g.constant("zero", UINT8, new byte[] {(byte) 128});
        g.constant("w_zero", INT8, new byte[1]);
        g.longs("last", -1);
        g.node("", "Abs", List.of("x"), List.of("abs"));
        g.node("", "ReduceMax", List.of("abs", "last"), List.of("m"), integer("keepdims", 1));
        g.node("", "Div", List.of("x", "m"), List.of("unit"));
        g.node("", "QuantizeLinear", List.of("unit", "step", "zero"), List.of("q"));
        List<String> inputs = List.of("q", "w", "one", "s", "zero", "w_zero");
        g.node("com.microsoft", "MatMulIntegerToFloat", zeroPoint ? inputs : inputs.subList(0, 5), List.of("product"));
        g.node("", "Mul", List.of("m", "step"), List.of("scale"));
        g.node("", "Mul", List.of("product", "scale"), List.of("y"));
        g.output("y", FLOAT, "rows", columns);
        g.metadata("format.product", GraphContract.Product.ROWWISE_INT8.name());
        return g.bytes();
    }

    /** y [rows, COLUMNS] = the product of x [rows, DEPTH] with weights in blocks. */
    private static byte[] blocks(int bits) {
        TestGraphs g = new TestGraphs();
        int blocks = Math.ceilDiv(Kernel.DEPTH, Kernel.BLOCK);
        int rowBytes = blocks * Kernel.BLOCK * bits / 8;
        byte[] weights = new byte[Kernel.COLUMNS * rowBytes];
        for (int n = 0; n < Kernel.COLUMNS; n++) {
            for (int k = 0; k < Kernel.DEPTH; k++) {
                int value = Kernel.weight(bits, k, n) + (1 << (bits - 1));
                weights[n * rowBytes + k * bits / 8] |= (byte) (bits == 8 ? value : value << 4 * (k % 2));
            }
        }
        g.input("x", FLOAT, "rows", Kernel.DEPTH);
        g.constant("w", UINT8, weights, Kernel.COLUMNS, blocks, Kernel.BLOCK * bits / 8);
        g.floats("s", scales(Kernel.COLUMNS * blocks), Kernel.COLUMNS * blocks);
        g.node(
                "com.microsoft",
                "MatMulNBits",
                List.of("x", "w", "s"),
                List.of("y"),
                integer("K", Kernel.DEPTH),
                integer("N", Kernel.COLUMNS),
                integer("bits", bits),
                integer("block_size", Kernel.BLOCK),
                integer("accuracy_level", 4));
        g.output("y", FLOAT, "rows", Kernel.COLUMNS);
        g.metadata(
                "format.product",
                (bits == 8 ? GraphContract.Product.BLOCK_INT8 : GraphContract.Product.BLOCK_INT4).name());
        return g.bytes();
    }

    private static float[] scales(int count) {
        float[] scales = new float[count];
        Arrays.fill(scales, Kernel.SCALE);
        return scales;
    }

    /** y = x · 2 [N, 3], and n [1] the number of rows. */
    static byte[] twice() {
        TestGraphs g = new TestGraphs();
        g.input("x", FLOAT, "N", 3);
        g.floats("two", new float[] {2});
        g.longs("zero", 0);
        g.node("", "Mul", List.of("x", "two"), List.of("y"));
        g.node("", "Shape", List.of("x"), List.of("shape"));
        g.node("", "Gather", List.of("shape", "zero"), List.of("n"));
        g.output("y", FLOAT, "N", 3);
        g.output("n", INT64, 1);
        return g.bytes();
    }

    /** y [N, N] = x · xᵀ · x · xᵀ …: busy for a while. */
    static byte[] slow() {
        TestGraphs g = new TestGraphs();
        g.input("x", FLOAT, "N", "N");
        String value = "x";
        for (int i = 0; i < 40; i++) {
            g.node("", "MatMul", List.of(value, "x"), List.of("p" + i));
            g.node("", "Tanh", List.of("p" + i), List.of("t" + i));
            value = "t" + i;
        }
        g.node("", "Identity", List.of(value), List.of("y"));
        g.output("y", FLOAT, "N", "N");
        return g.bytes();
    }

    /** A decoder of two causal attention layers without MLP, under the engine's contract. */
    static byte[] decoder() {
        return decoder(false);
    }

    /** The same whose prefix sees all of itself. */
    static byte[] prefixDecoder() {
        return decoder(true);
    }

    private static byte[] decoder(boolean prefix) {
        TestGraphs g = new TestGraphs();
        SplittableRandom random = new SplittableRandom(7);
        int width = DECODER.hidden();
        int kv = DECODER.kvHeads() * DECODER.headDim();
        int half = DECODER.headDim() / 2;
        float[] cos = new float[LONGEST * half];
        float[] sin = new float[LONGEST * half];
        for (int p = 0; p < LONGEST; p++) {
            for (int f = 0; f < half; f++) {
                cos[p * half + f] = (float) Math.cos(p * Math.pow(100, -(double) f / half));
                sin[p * half + f] = (float) Math.sin(p * Math.pow(100, -(double) f / half));
            }
        }
        g.input(GraphContract.INPUTS_EMBEDS, FLOAT, "B", "S", width);
        g.input(GraphContract.POSITION_IDS, INT64, 3, "B", "S");
        if (prefix) {
            g.opset = 24;
            g.input(GraphContract.PAST_LENGTHS, INT64, "B");
            g.input(GraphContract.TOTAL_LENGTHS, INT64, "B");
            g.input(GraphContract.SPAN, INT64, 1);
            g.longs("start", 0);
            g.longs("positions", 2);
            g.longs("heads", 0, 0, width / DECODER.headDim(), DECODER.headDim());
            g.longs("kv_heads", 0, 0, DECODER.kvHeads(), DECODER.headDim());
            g.longs("joined", 0, 0, width);
        } else {
            g.input(GraphContract.SEQLENS_K, INT32, "B");
            g.input(GraphContract.TOTAL_SEQUENCE_LENGTH, INT32, 1);
        }
        g.input(GraphContract.ROWS, INT64, "M");
        g.floats("cos", cos, LONGEST, half);
        g.floats("sin", sin, LONGEST, half);
        g.longs("flat", -1, width);
        String x = GraphContract.INPUTS_EMBEDS;
        for (int i = 0; i < DECODER.layers(); i++) {
            g.floats("wk" + i, random(random, width * kv), width, kv);
            g.floats("wv" + i, random(random, width * kv), width, kv);
            g.node("", "MatMul", List.of(x, "wk" + i), List.of("k" + i));
            g.node("", "MatMul", List.of(x, "wv" + i), List.of("v" + i));
            g.rotary(x, "rq" + i, width / DECODER.headDim());
            g.rotary("k" + i, "rk" + i, DECODER.kvHeads());
            for (String past : List.of(GraphContract.pastKey(i), GraphContract.pastValue(i))) {
                g.input(past, FLOAT, "B", DECODER.kvHeads(), "T", DECODER.headDim());
            }
            if (prefix) {
                g.prefixAttention(i);
            } else {
                g.causalAttention(i, width / DECODER.headDim());
            }
            for (String present : List.of(GraphContract.presentKey(i), GraphContract.presentValue(i))) {
                g.output(present, FLOAT, "B", DECODER.kvHeads(), "T", DECODER.headDim());
            }
            g.node("", "Add", List.of(x, "a" + i), List.of("x" + i));
            x = "x" + i;
        }
        g.floats("head", random(random, width * DECODER.vocabulary()), width, DECODER.vocabulary());
        g.node("", "Reshape", List.of(x, "flat"), List.of("rows_all"));
        g.node("", "Gather", List.of("rows_all", GraphContract.ROWS), List.of("chosen"), integer("axis", 0));
        g.node("", "MatMul", List.of("chosen", "head"), List.of(GraphContract.LOGITS));
        g.output(GraphContract.LOGITS, FLOAT, "M", DECODER.vocabulary());
        return g.bytes();
    }

    static float[] random(SplittableRandom random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (random.nextDouble() - 0.5);
        }
        return values;
    }

    static Path write(Path directory, byte[] graph) throws IOException {
        return Files.write(directory.resolve("graph.onnx"), graph);
    }

    private void causalAttention(int i, int heads) {
        node(
                "com.microsoft",
                "GroupQueryAttention",
                List.of(
                        "rq" + i,
                        "rk" + i,
                        "v" + i,
                        GraphContract.pastKey(i),
                        GraphContract.pastValue(i),
                        GraphContract.SEQLENS_K,
                        GraphContract.TOTAL_SEQUENCE_LENGTH),
                List.of("a" + i, GraphContract.presentKey(i), GraphContract.presentValue(i)),
                integer("num_heads", heads),
                integer("kv_num_heads", DECODER.kvHeads()));
    }

    private void prefixAttention(int i) {
        AttributeProto.Builder order =
                AttributeProto.newBuilder().setName("perm").setType(AttributeProto.AttributeType.INTS);
        List.of(0, 2, 1, 3).forEach(order::addInts);
        String keys = cached("rk" + i, GraphContract.pastKey(i), GraphContract.presentKey(i), order);
        String values = cached("v" + i, GraphContract.pastValue(i), GraphContract.presentValue(i), order);
        node("", "Reshape", List.of("rq" + i, "heads"), List.of("q4" + i));
        node("", "Transpose", List.of("q4" + i), List.of("qt" + i), order);
        node(
                "",
                "Attention",
                List.of("qt" + i, keys, values, "", "", "", GraphContract.TOTAL_LENGTHS),
                List.of("at" + i),
                integer("is_causal", 0));
        node("", "Transpose", List.of("at" + i), List.of("a4" + i), order);
        node("", "Reshape", List.of("a4" + i, "joined"), List.of("a" + i));
    }

    private String cached(String from, String past, String present, AttributeProto.Builder order) {
        node("", "Reshape", List.of(from, "kv_heads"), List.of(from + "_4"));
        node("", "Transpose", List.of(from + "_4"), List.of(from + "_t"), order);
        node(
                "",
                "TensorScatter",
                List.of(past, from + "_t", GraphContract.PAST_LENGTHS),
                List.of(present),
                integer("axis", 2));
        node("", "Slice", List.of(present, "start", GraphContract.SPAN, "positions"), List.of(from + "_span"));
        return from + "_span";
    }

    private void rotary(String from, String to, int heads) {
        AttributeProto.Builder section =
                AttributeProto.newBuilder().setName("mrope_section").setType(AttributeProto.AttributeType.INTS);
        List.of(2, 3, 3).forEach(section::addInts);
        node(
                "com.microsoft",
                "MRotaryEmbedding",
                List.of(from, GraphContract.POSITION_IDS, "cos", "sin"),
                List.of(to),
                integer("num_heads", heads),
                integer("mrope_layout", 0),
                section);
    }

    private static AttributeProto.Builder integer(String name, long value) {
        return AttributeProto.newBuilder()
                .setName(name)
                .setType(AttributeProto.AttributeType.INT)
                .setI(value);
    }

    private void node(
            String domain,
            String type,
            List<String> inputs,
            List<String> outputs,
            AttributeProto.Builder... attributes) {
        NodeProto.Builder node = NodeProto.newBuilder()
                .setDomain(domain)
                .setOpType(type)
                .setName(outputs.getFirst())
                .addAllInput(inputs)
                .addAllOutput(outputs);
        for (AttributeProto.Builder attribute : attributes) {
            node.addAttribute(attribute);
        }
        graph.addNode(node);
    }

    private void metadata(String key, String value) {
        metadata.put(key, value);
    }

    private void input(String name, int type, Object... axes) {
        graph.addInput(info(name, type, axes));
    }

    private void output(String name, int type, Object... axes) {
        graph.addOutput(info(name, type, axes));
    }

    private void floats(String name, float[] values, long... shape) {
        ByteBuffer data = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        data.asFloatBuffer().put(values);
        constant(name, FLOAT, data.array(), shape);
    }

    private void longs(String name, long... values) {
        ByteBuffer data = ByteBuffer.allocate(values.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        data.asLongBuffer().put(values);
        constant(name, INT64, data.array(), values.length);
    }

    private void constant(String name, int type, byte[] data, long... shape) {
        TensorProto.Builder tensor =
                TensorProto.newBuilder().setName(name).setDataType(type).setRawData(ByteString.copyFrom(data));
        for (long axis : shape) {
            tensor.addDims(axis);
        }
        graph.addInitializer(tensor);
    }

    private static ValueInfoProto info(String name, int type, Object... axes) {
        TensorShapeProto.Builder shape = TensorShapeProto.newBuilder();
        for (Object axis : axes) {
            TensorShapeProto.Dimension.Builder dimension = TensorShapeProto.Dimension.newBuilder();
            shape.addDim(
                    axis instanceof String symbol
                            ? dimension.setDimParam(symbol)
                            : dimension.setDimValue(((Number) axis).longValue()));
        }
        return ValueInfoProto.newBuilder()
                .setName(name)
                .setType(TypeProto.newBuilder()
                        .setTensorType(
                                TypeProto.Tensor.newBuilder().setElemType(type).setShape(shape)))
                .build();
    }

    private byte[] bytes() {
        ModelProto.Builder model = ModelProto.newBuilder();
        metadata.forEach((key, value) -> model.addMetadataProps(
                StringStringEntryProto.newBuilder().setKey(key).setValue(value)));
        return model.setIrVersion(10)
                .addOpsetImport(OperatorSetIdProto.newBuilder().setDomain("").setVersion(opset))
                .addOpsetImport(OperatorSetIdProto.newBuilder()
                        .setDomain("com.microsoft")
                        .setVersion(1))
                .setGraph(graph)
                .build()
                .toByteArray();
    }
}
