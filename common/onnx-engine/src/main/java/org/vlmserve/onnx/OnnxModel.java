package org.vlmserve.onnx;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * A graph without state: an encoder or a projector. Thread-safe; calls run side by side. {@link #close} waits for those
 * under way.
 */
public final class OnnxModel implements AutoCloseable {

    private static final long ASKED_EVERY_MILLIS = 50;

    private final Path graph;
    private final OrtSession session;
    private final Map<String, NodeInfo> inputs;
    /** Runs that were told to stop and have not yet, with when that was. */
    private final Map<Object, Long> stopping = new ConcurrentHashMap<>();

    private final ReentrantReadWriteLock inUse = new ReentrantReadWriteLock();
    private boolean closed;

    private OnnxModel(Path graph, OrtSession session) {
        this.graph = graph;
        this.session = session;
        try {
            this.inputs = session.getInputInfo();
        } catch (OrtException e) {
            throw new VlmException(ErrorCode.INTERNAL, graph + " does not tell its inputs: " + e.getMessage(), e);
        }
    }

    /**
     * @throws VlmException {@code BUNDLE_CORRUPT}, {@code PROCESSOR_UNSUPPORTED}, or {@code STAGE_UNAVAILABLE} when the process is
     *     ending
     */
    public static OnnxModel load(Path graph, EngineOptions options) {
        return new OnnxModel(graph, Sessions.build(graph, options));
    }

    /**
     * A graph in memory.
     *
     * @param place names it in errors; weights that it keeps outside lie in this file's directory
     * @throws VlmException as {@link #load}
     */
    public static OnnxModel of(byte[] model, Path place, EngineOptions options) {
        return new OnnxModel(place, Sessions.build(model, place, options));
    }

    /**
     * Runs the graph once. Inputs over direct buffers are used in place, others are copied; outputs are new.
     *
     * @param inputs by name, in the graph's types and shapes; whole numbers of 64 bits where the graph wants 32 are narrowed
     * @return the graph's outputs by name
     * @throws VlmException {@code INTERNAL} for inputs that the graph does not take
     * @throws IllegalStateException after {@link #close}
     */
    public Map<String, Tensor> run(Map<String, Tensor> inputs) {
        return run(inputs, () -> {});
    }

    /**
     * The same, ended when it is no longer wanted: between two of the graph's operators, so a moment later.
     *
     * @param stillWanted called every {@value #ASKED_EVERY_MILLIS} ms from another thread; what it throws ends the run and is thrown
     */
    public Map<String, Tensor> run(Map<String, Tensor> inputs, Runnable stillWanted) {
        inUse.readLock().lock();
        Map<String, OnnxTensor> given = new HashMap<>();
        try {
            if (closed) {
                throw new IllegalStateException(graph + " is closed");
            }
            for (Map.Entry<String, Tensor> input : inputs.entrySet()) {
                given.put(input.getKey(), tensorOf(input.getKey(), input.getValue()));
            }
            try (Stoppable stoppable = new Stoppable(stillWanted);
                    OrtSession.Result result = stoppable.run(given)) {
                Map<String, Tensor> outputs = new LinkedHashMap<>();
                for (Map.Entry<String, OnnxValue> output : result) {
                    outputs.put(output.getKey(), tensorOf((OnnxTensor) output.getValue()));
                }
                return outputs;
            }
        } catch (OrtException e) {
            throw new VlmException(ErrorCode.INTERNAL, graph + " does not run on " + inputs + ": " + e.getMessage(), e);
        } finally {
            given.values().forEach(OnnxTensor::close);
            inUse.readLock().unlock();
        }
    }

    /** For how long a run that was told to stop has been going on since; zero if there is none. */
    public Duration overdue() {
        long now = System.nanoTime();
        return Duration.ofNanos(
                stopping.values().stream().mapToLong(since -> now - since).max().orElse(0));
    }

    /** One run, and the thread that asks whether it is wanted. */
    private final class Stoppable implements AutoCloseable {

        private final OrtSession.RunOptions options = new OrtSession.RunOptions();
        private final Thread asking;

        /** Guards {@link #options} against being used after they are closed. */
        private boolean ended;

        private @Nullable RuntimeException unwanted;

        Stoppable(Runnable stillWanted) throws OrtException {
            asking = Thread.ofVirtual().name("onnx-still-wanted").start(() -> ask(stillWanted));
        }

        OrtSession.Result run(Map<String, OnnxTensor> given) throws OrtException {
            try {
                return session.run(given, session.getOutputNames(), options);
            } catch (OrtException e) {
                RuntimeException why = why();
                if (why != null) {
                    throw why;
                }
                throw e;
            }
        }

        private synchronized @Nullable RuntimeException why() {
            return unwanted;
        }

        private void ask(Runnable stillWanted) {
            try {
                while (true) {
                    Thread.sleep(ASKED_EVERY_MILLIS);
                    try {
                        stillWanted.run();
                    } catch (RuntimeException e) {
                        stop(e);
                        return;
                    }
                }
            } catch (InterruptedException e) {
                // The run has ended.
            }
        }

        private synchronized void stop(RuntimeException why) {
            if (ended) {
                return;
            }
            unwanted = why;
            stopping.put(this, System.nanoTime());
            try {
                options.setTerminate(true);
            } catch (OrtException e) {
                why.addSuppressed(e);
            }
        }

        @Override
        public void close() {
            synchronized (this) {
                ended = true;
                options.close();
            }
            asking.interrupt();
            stopping.remove(this);
        }
    }

    /**
     * The input's size along {@code axis} if the graph fixes it, or -1.
     *
     * @throws IllegalArgumentException for a name that is no input
     */
    public long inputSize(String name, int axis) {
        NodeInfo info = inputs.get(name);
        if (info == null) {
            throw new IllegalArgumentException(graph + " has no input " + name + ", it has " + inputs.keySet());
        }
        return ((TensorInfo) info.getInfo()).getShape()[axis];
    }

    @Override
    public void close() {
        inUse.writeLock().lock();
        try {
            if (!closed) {
                closed = true;
                session.close();
            }
        } catch (OrtException e) {
            throw new VlmException(ErrorCode.INTERNAL, "cannot close " + graph + ": " + e.getMessage(), e);
        } finally {
            inUse.writeLock().unlock();
        }
    }

    private OnnxTensor tensorOf(String name, Tensor tensor) throws OrtException {
        NodeInfo wanted = inputs.get(name);
        if (wanted != null
                && tensor.dtype() == DType.I64
                && ((TensorInfo) wanted.getInfo()).type == OnnxJavaType.INT32) {
            return narrowed(tensor);
        }
        ByteBuffer data = tensor.data();
        if (!data.isDirect()) {
            data = ByteBuffer.allocateDirect(data.remaining()).put(data).flip();
        }
        long[] shape = Arrays.stream(tensor.shape()).asLongStream().toArray();
        return OnnxTensor.createTensor(
                Sessions.environment(), data.order(ByteOrder.nativeOrder()), shape, onnxType(tensor.dtype()));
    }

    private static OnnxTensor narrowed(Tensor tensor) throws OrtException {
        LongBuffer values = tensor.data().order(ByteOrder.LITTLE_ENDIAN).asLongBuffer();
        IntBuffer narrow = ByteBuffer.allocateDirect(values.remaining() * Integer.BYTES)
                .order(ByteOrder.nativeOrder())
                .asIntBuffer();
        while (values.hasRemaining()) {
            narrow.put(Math.toIntExact(values.get()));
        }
        long[] shape = Arrays.stream(tensor.shape()).asLongStream().toArray();
        return OnnxTensor.createTensor(Sessions.environment(), narrow.flip(), shape);
    }

    private static Tensor tensorOf(OnnxTensor value) {
        TensorInfo info = value.getInfo();
        int[] shape = Arrays.stream(info.getShape()).mapToInt(Math::toIntExact).toArray();
        return new Tensor(dtype(info.type), shape, value.getByteBuffer());
    }

    private static OnnxJavaType onnxType(DType dtype) {
        return switch (dtype) {
            case F32 -> OnnxJavaType.FLOAT;
            case F16 -> OnnxJavaType.FLOAT16;
            case BF16 -> OnnxJavaType.BFLOAT16;
            case I64 -> OnnxJavaType.INT64;
            case U8 -> OnnxJavaType.UINT8;
        };
    }

    private static DType dtype(OnnxJavaType type) {
        return switch (type) {
            case FLOAT -> DType.F32;
            case FLOAT16 -> DType.F16;
            case BFLOAT16 -> DType.BF16;
            case INT64 -> DType.I64;
            case UINT8 -> DType.U8;
            default -> throw new VlmException(ErrorCode.INTERNAL, "no tensor type stands for " + type);
        };
    }
}
