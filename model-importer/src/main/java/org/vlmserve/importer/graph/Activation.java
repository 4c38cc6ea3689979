package org.vlmserve.importer.graph;

/** The non-linearity of an MLP, by the names that Hugging Face configurations use. */
public enum Activation {
    /** x · Φ(x). Source: arXiv:1606.08415. */
    GELU,
    /** GELU in its tanh form. */
    GELU_TANH,
    /** x · sigmoid(1.702 · x). */
    QUICK_GELU,
    /** x · sigmoid(x). */
    SILU;

    private static final float QUICK = 1.702f;

    /**
     * @param name as configurations have it
     * @throws IllegalArgumentException for one that is not here
     */
    public static Activation of(String name) {
        return switch (name) {
            case "gelu" -> GELU;
            case "gelu_pytorch_tanh", "gelu_new", "gelu_fast" -> GELU_TANH;
            case "quick_gelu" -> QUICK_GELU;
            case "silu", "swish" -> SILU;
            default -> throw new IllegalArgumentException("no activation is called " + name);
        };
    }

    /** x → f(x), of any shape. */
    public Value apply(OnnxGraph graph, String name, Value x) {
        return switch (this) {
            case GELU -> graph.microsoft(name, "Gelu", x).output();
            case GELU_TANH -> graph.microsoft(name, "FastGelu", x).output();
            case QUICK_GELU ->
                graph.microsoft(name, "QuickGelu", x).with("alpha", QUICK).output();
            // x · sigmoid(1 · x) is silu.
            case SILU -> graph.microsoft(name, "QuickGelu", x).with("alpha", 1f).output();
        };
    }
}
