package org.vlmserve.media.video;

import java.util.function.Consumer;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.media.VideoStream;

/** Where a video's frames come from: this process or another. */
interface VideoFrames {

    /**
     * What has to be known before a frame is decoded.
     *
     * @param checkpoint asked before each packet; throws when nobody waits for the video any more
     */
    VideoStream survey(byte[] file, Runnable checkpoint);

    /**
     * Decodes up to the last of the wanted frames.
     *
     * @param wanted indices, ascending; one that stands twice is taken twice
     * @param frames gets the wanted frames, as far as there are so many
     * @return how many frames were shown on the way
     */
    int take(byte[] file, int[] wanted, Consumer<RgbPicture> frames, Runnable checkpoint);
}
