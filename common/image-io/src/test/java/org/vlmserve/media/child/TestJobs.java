package org.vlmserve.media.child;

import java.io.DataInput;
import java.io.DataOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Jobs that do what files do to decoders. */
public final class TestJobs {

    private TestJobs() {}

    /** Gives the parameters' number, the process's own, and the file. */
    public static final class Echo implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException {
            DataOutputStream out = new DataOutputStream(result);
            out.writeInt(parameters.readInt());
            out.writeLong(ProcessHandle.current().pid());
            out.write(file);
        }
    }

    public static final class Refuse implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) {
            throw new VlmException(ErrorCode.VIDEO_TOO_LONG, "as long as " + file.length);
        }
    }

    public static final class Fail implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) {
            throw new IllegalStateException("a secret of the file");
        }
    }

    public static final class FillHeap implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException {
            List<byte[]> all = new ArrayList<>();
            while (true) {
                all.add(new byte[1 << 20]);
                result.progress();
            }
        }
    }

    public static final class OneHugeArray implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException {
            result.write(new byte[Integer.MAX_VALUE - 8]);
        }
    }

    public static final class FillNativeMemory implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException {
            while (true) {
                Arena.global().allocate(1 << 20).fill((byte) 1);
                result.progress();
            }
        }
    }

    /** Leaves 250 MiB of native memory behind. */
    public static final class Keep implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException {
            Arena.global().allocate(250 << 20).fill((byte) 1);
            new DataOutputStream(result).writeLong(ProcessHandle.current().pid());
        }
    }

    /** Works on an array of 200 MiB. */
    public static final class Grow implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException {
            byte[] pixels = new byte[200 << 20];
            Arrays.fill(pixels, (byte) 1);
            new DataOutputStream(result).writeLong(ProcessHandle.current().pid() - 1 + pixels[pixels.length - 1]);
        }
    }

    public static final class Recurse implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) {
            throw new IllegalStateException("came back from " + deeper(0));
        }

        private static int deeper(int depth) {
            return depth < 0 ? depth : 1 + deeper(depth + 1);
        }
    }

    /** Ends as after a fault of native code. */
    public static final class Crash implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException {
            result.write(new byte[100]);
            result.flush();
            Runtime.getRuntime().halt(134);
        }
    }

    public static final class Hang implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) {
            while (true) {
                Thread.onSpinWait();
            }
        }
    }

    /** Works for ever, and says so. */
    public static final class Dawdle implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException {
            while (true) {
                result.progress();
                Thread.onSpinWait();
            }
        }
    }

    /** Speaks out of turn, as a child does that is in the hands of its file. */
    public static final class Babble implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException {
            result.message(Messages.ACCEPTED);
        }
    }

    public static final class Print implements ChildJob {
        @Override
        public void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException {
            System.out.println("a library prints this");
            result.write(String.join(",", System.getenv().keySet()).getBytes(java.nio.charset.StandardCharsets.UTF_8));
        }
    }
}
