/**
 * The vision encoder: picture files come in; a picture's layout goes out before it is encoded, then its features in
 * slices. {@link org.vlmserve.encoder.VisionEncoderStage} is the stage, {@link org.vlmserve.encoder.ImageJobHandler} its
 * place on the road. Verified by {@code VisionEncoderStageTest}.
 */
@NullMarked
package org.vlmserve.encoder;

import org.jspecify.annotations.NullMarked;
