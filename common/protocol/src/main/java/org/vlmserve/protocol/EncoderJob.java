package org.vlmserve.protocol;

/** Topic {@code images}: what a vision encoder takes, a whole picture or one of a picture's tiles. */
public sealed interface EncoderJob extends WireMessage permits ImageJob, TileJob {

    Envelope envelope();

    PictureKey picture();
}
