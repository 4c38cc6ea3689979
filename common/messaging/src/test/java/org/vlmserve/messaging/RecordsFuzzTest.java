package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.WireCodec;
import org.vlmserve.protocol.WireMessage;
import org.vlmserve.protocol.WireSamples;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.testing.fuzz.ByteMutations;
import org.vlmserve.testing.fuzz.Fuzzer;

/** Whatever bytes a record has, it is a message or is refused by one of two codes, and takes no more memory than it has bytes for. */
class RecordsFuzzTest {

    @Test
    void records() throws IOException {
        List<byte[]> corpus = new ArrayList<>();
        for (WireMessage message : WireSamples.all()) {
            corpus.add(WireCodec.encode(message));
        }
        byte[] sound = corpus.getFirst();
        Fuzzer.of("kafka-records", ErrorCode.RECORD_UNREADABLE, ErrorCode.PROTOCOL_VERSION)
                .from(corpus)
                .by(ByteMutations.all())
                .run(input -> {
                    try {
                        // What is read can be written again.
                        WireCodec.encode(WireCodec.decode(input));
                    } finally {
                        assertThat(WireCodec.encode(WireCodec.decode(sound))).isEqualTo(sound);
                    }
                });
    }
}
