package org.vlmserve.protocol;

/** Topic {@code embeddings}: a picture's layout, known before it is encoded. */
public record LayoutReady(Envelope envelope, PictureKey picture, PictureLayout layout) implements WireMessage {}
