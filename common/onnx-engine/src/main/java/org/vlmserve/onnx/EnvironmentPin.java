package org.vlmserve.onnx;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;

/**
 * Keeps ONNX Runtime's environment alive to the very end of the process.
 *
 * <p>The Java binding releases the environment in a shutdown hook of its own, which runs beside all others; a session that is being
 * built at that moment reads freed memory, and the process dies of SIGSEGV (seen with 1.29 at System.exit and at SIGTERM alike). The
 * environment counts its owners, and {@code CreateEnv} gives every caller the same one, so one call more than the binding knows of
 * leaves it one owner. The binding has no method for that; the C interface does, and its first functions have kept their places since
 * version 1 (onnxruntime_c_api.h, {@code OrtApiBase} and {@code OrtApi}).
 */
final class EnvironmentPin {

    private static final int CREATE_ENV = 3;
    private static final int OLDEST_VERSION = 1;
    private static final int WARNING = 2;

    private EnvironmentPin() {}

    /**
     * Takes the additional ownership. ONNX Runtime's libraries must be loaded.
     *
     * @return whether it could be taken; without it, only the end of the process during a build is unsafe
     */
    static boolean pin() {
        Linker linker = Linker.nativeLinker();
        MemorySegment base = SymbolLookup.loaderLookup().find("OrtGetApiBase").orElse(MemorySegment.NULL);
        if (base.equals(MemorySegment.NULL)) {
            return false;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bases = pointers(
                    (MemorySegment) linker.downcallHandle(base, FunctionDescriptor.of(ValueLayout.ADDRESS))
                            .invokeExact(),
                    1);
            MemorySegment api = (MemorySegment) linker.downcallHandle(
                            bases.getAtIndex(ValueLayout.ADDRESS, 0),
                            FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.JAVA_INT))
                    .invokeExact(OLDEST_VERSION);
            if (api.equals(MemorySegment.NULL)) {
                return false;
            }
            MemorySegment status = (MemorySegment) linker.downcallHandle(
                            pointers(api, CREATE_ENV + 1).getAtIndex(ValueLayout.ADDRESS, CREATE_ENV),
                            FunctionDescriptor.of(
                                    ValueLayout.ADDRESS,
                                    ValueLayout.JAVA_INT,
                                    ValueLayout.ADDRESS,
                                    ValueLayout.ADDRESS))
                    .invokeExact(WARNING, arena.allocateFrom("pin"), arena.allocate(ValueLayout.ADDRESS));
            return status.equals(MemorySegment.NULL);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("a call of a C function threw", e);
        }
    }

    private static MemorySegment pointers(MemorySegment at, int count) {
        return at.reinterpret(count * ValueLayout.ADDRESS.byteSize());
    }
}
