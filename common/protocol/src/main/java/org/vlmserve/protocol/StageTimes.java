package org.vlmserve.protocol;

import java.time.Duration;

/**
 * Where the time of a request went, so that none hides inside the time to the first token. Stages add to the times that
 * reached them; pictures of one request are summed.
 *
 * @param queue waiting in any queue, for any stage
 * @param pictureDecode decoding, resizing and cutting pictures into patches
 * @param encode the vision encoder
 * @param project the projector
 * @param prefill the prompt, up to the first token
 * @param answer from the first token to the last
 */
public record StageTimes(
        Duration queue, Duration pictureDecode, Duration encode, Duration project, Duration prefill, Duration answer) {

    public static final StageTimes ZERO =
            new StageTimes(Duration.ZERO, Duration.ZERO, Duration.ZERO, Duration.ZERO, Duration.ZERO, Duration.ZERO);

    public StageTimes plus(StageTimes other) {
        return new StageTimes(
                queue.plus(other.queue),
                pictureDecode.plus(other.pictureDecode),
                encode.plus(other.encode),
                project.plus(other.project),
                prefill.plus(other.prefill),
                answer.plus(other.answer));
    }

    public StageTimes withQueue(Duration queue) {
        return new StageTimes(queue, pictureDecode, encode, project, prefill, answer);
    }

    public StageTimes withPictureDecode(Duration pictureDecode) {
        return new StageTimes(queue, pictureDecode, encode, project, prefill, answer);
    }

    public StageTimes withEncode(Duration encode) {
        return new StageTimes(queue, pictureDecode, encode, project, prefill, answer);
    }

    public StageTimes withProject(Duration project) {
        return new StageTimes(queue, pictureDecode, encode, project, prefill, answer);
    }

    public StageTimes withPrefill(Duration prefill) {
        return new StageTimes(queue, pictureDecode, encode, project, prefill, answer);
    }

    public StageTimes withAnswer(Duration answer) {
        return new StageTimes(queue, pictureDecode, encode, project, prefill, answer);
    }
}
