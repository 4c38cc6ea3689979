package org.vlmserve.decoder;

import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.util.unit.DataSize;
import org.vlmserve.families.prompt.ControlTokens;

/**
 * {@code vlm.decoder}: see {@link DecoderConfig} for what the numbers mean.
 *
 * @param pictureMemory embeddings that are held for waiting prompts and follow-up questions
 * @param controlTokens what control tokens in callers' texts are
 */
@ConfigurationProperties("vlm.decoder")
public record DecoderSettings(
        @DefaultValue("4") int slots,
        @DefaultValue("2") int prefixSlots,
        @DefaultValue("256") int prefillChunk,
        @DefaultValue("4096") int contextLength,
        @DefaultValue("256MB") DataSize pictureMemory,
        @DefaultValue("text") ControlTokens controlTokens) {

    /** {@link #pictureMemory} in bytes. */
    public long pictureBytes() {
        return pictureMemory.toBytes();
    }

    public DecoderConfig config() {
        return new DecoderConfig(slots, prefixSlots, prefillChunk, contextLength);
    }
}
