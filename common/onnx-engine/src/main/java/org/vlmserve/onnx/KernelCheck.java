package org.vlmserve.onnx;

import java.util.Arrays;
import java.util.List;

/** The program of the child process that checks kernels: a line for each of those in its arguments, as soon as it is known. */
final class KernelCheck {

    private static final String PREFIX = "kernel ";

    /** What became of one kernel's check. */
    enum Verdict {
        RIGHT,
        WRONG,
        /** The child ended, or hung, in the midst of it. */
        CRASHED
    }

    private KernelCheck() {}

    public static void main(String[] args) {
        List<Kernel> kernels = Arrays.stream(args).map(Kernel::valueOf).toList();
        for (Kernel kernel : kernels) {
            System.out.println(line(kernel, kernel.isRight(kernel.model()) ? Verdict.RIGHT : Verdict.WRONG));
        }
    }

    static String line(Kernel kernel, Verdict verdict) {
        return PREFIX + kernel + " " + verdict;
    }
}
