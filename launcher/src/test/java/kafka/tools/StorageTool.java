package kafka.tools;

/** Stands for the tool that formats the broker's storage; a fake broker keeps nothing. */
public final class StorageTool {

    private StorageTool() {}

    public static void main(String[] arguments) {
        System.out.println("INFO formatted");
    }
}
