package kafka;

import org.vlmserve.launcher.FakeProgram;

/** Stands for the broker's main class. */
public final class Kafka {

    private Kafka() {}

    public static void main(String[] arguments) throws Exception {
        FakeProgram.main(arguments);
    }
}
