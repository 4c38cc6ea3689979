package org.vlmserve.protocol;

/** Anything that is written to a topic. The permitted types are the protocol; {@code docs/protocol.md} explains each. */
public sealed interface WireMessage
        permits EncoderJob,
                PlanJob,
                LayoutReady,
                FeatureSlice,
                EmbeddingSlice,
                PictureFailed,
                PromptJob,
                AnswerEvent,
                InstanceStatus,
                CancelRequest,
                DeadLetter {}
