package org.vlmserve.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

class WireCodecTest {

    static Stream<WireMessage> samples() {
        return WireSamples.all().stream();
    }

    @ParameterizedTest
    @MethodSource("samples")
    void comesBackAsItWent(WireMessage message) {
        WireMessage back = WireCodec.decode(WireCodec.encode(message));
        // Recursive, because a record's equals compares arrays by identity.
        assertThat(back).usingRecursiveComparison().withStrictTypeChecking().isEqualTo(message);
    }

    @Test
    void everyPermittedTypeHasASampleAndANumberOfItsOwn() {
        assertThat(samples().map(Object::getClass).distinct())
                .as("each type of WireMessage needs a sample here")
                .containsExactlyInAnyOrderElementsOf(WireSamples.types());
        assertThat(samples()
                        .collect(java.util.stream.Collectors.groupingBy(
                                Object::getClass,
                                java.util.stream.Collectors.mapping(
                                        WireCodec::typeId, java.util.stream.Collectors.toSet()))))
                .hasSameSizeAs(samples().map(WireCodec::typeId).distinct().toList())
                .allSatisfy((type, numbers) -> assertThat(numbers).hasSize(1));
    }

    @ParameterizedTest
    @MethodSource("samples")
    void refusesARecordCutAnywhere(WireMessage message) {
        byte[] whole = WireCodec.encode(message);
        for (int length = 0; length < whole.length; length++) {
            byte[] cut = Arrays.copyOf(whole, length);
            VlmException error = catchThrowableOfType(VlmException.class, () -> WireCodec.decode(cut));
            assertThat(error)
                    .as("%s cut to %s bytes", message.getClass(), length)
                    .isNotNull();
            assertThat(error.code()).isEqualTo(ErrorCode.RECORD_UNREADABLE);
            assertThat(error).hasMessageMatching("(?s)\\w+\\.[\\w.]+ at byte \\d+ of \\d+: .*");
        }
    }

    @ParameterizedTest
    @MethodSource("samples")
    void neitherDiesOfNorAllocatesForDamagedBytes(WireMessage message) {
        byte[] whole = WireCodec.encode(message);
        Random random = new Random(42);
        for (int round = 0; round < 500; round++) {
            byte[] damaged = whole.clone();
            for (int i = random.nextInt(3); i >= 0; i--) {
                damaged[4 + random.nextInt(damaged.length - 4)] = (byte) random.nextInt(256);
            }
            try {
                WireCodec.decode(damaged);
            } catch (VlmException e) {
                assertThat(e.code()).isEqualTo(ErrorCode.RECORD_UNREADABLE);
            }
        }
    }

    @Test
    void namesTheFieldThatIsWrong() {
        byte[] bytes = WireCodec.encode(new CancelRequest("r"));
        assertThatThrownBy(() -> WireCodec.decode(Arrays.copyOf(bytes, bytes.length - 1)))
                .hasMessageContaining("CancelRequest.requestId")
                .hasMessageContaining("truncated");
    }

    @Test
    void refusesBytesAfterTheLastField() {
        byte[] bytes = WireCodec.encode(new CancelRequest("r"));
        assertThatThrownBy(() -> WireCodec.decode(Arrays.copyOf(bytes, bytes.length + 2)))
                .hasMessageContaining("2 bytes follow the last field");
    }

    @Test
    void refusesAnotherVersion() {
        byte[] bytes = WireCodec.encode(new CancelRequest("r"));
        bytes[2] = 4;
        VlmException error = catchThrowableOfType(VlmException.class, () -> WireCodec.decode(bytes));
        assertThat(error.code()).isEqualTo(ErrorCode.PROTOCOL_VERSION);
        assertThat(error).hasMessageContaining("version 4").hasMessageContaining("reads version 3");
    }

    @Test
    void refusesForeignBytesAndUnknownTypes() {
        assertThatThrownBy(() -> WireCodec.decode("{\"json\": true}".getBytes(java.nio.charset.StandardCharsets.UTF_8)))
                .hasMessageContaining("not written by this suite");
        byte[] bytes = WireCodec.encode(new CancelRequest("r"));
        bytes[3] = 99;
        assertThatThrownBy(() -> WireCodec.decode(bytes)).hasMessageContaining("no record type has number 99");
    }

    @Test
    void refusesAHugeLengthBeforeAllocatingForIt() {
        byte[] bytes = WireCodec.encode(new CancelRequest("r"));
        byte[] huge = Arrays.copyOf(bytes, 9);
        Arrays.fill(huge, 4, 8, (byte) 0xFF);
        huge[8] = 0x07; // 2^31 - 1 characters
        assertThatThrownBy(() -> WireCodec.decode(huge)).hasMessageContaining("length 2147483647");
    }

    @Test
    void refusesValuesThatARecordRefuses() {
        ImageJob job = (ImageJob) WireSamples.all().getFirst();
        byte[] bytes = WireCodec.encode(job);
        int at = new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1).indexOf("0123456789ab");
        bytes[at] = 'X';
        assertThatThrownBy(() -> WireCodec.decode(bytes))
                .isInstanceOf(VlmException.class)
                .hasMessageContaining("revision 'X123456789ab'");
    }

    @Test
    void aDecodedTensorIsAViewOfTheRecord() {
        FeatureSlice slice = new FeatureSlice(
                WireSamples.ENVELOPE,
                WireSamples.KEY,
                0,
                2,
                new Tensor(DType.U8, new int[] {2, 2}, ByteBuffer.wrap(new byte[] {41, 42, 43, 44})),
                StageTimes.ZERO);
        byte[] bytes = WireCodec.encode(slice);
        FeatureSlice back = (FeatureSlice) WireCodec.decode(bytes);
        int at = new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1).indexOf(")*+,");
        bytes[at] = 99;
        assertThat(back.rows().data().get(0)).isEqualTo((byte) 99);
    }

    @Test
    void anErrorOfANewerServiceIsInternal() {
        byte[] bytes = WireCodec.encode(new AnswerEvent.Failed("r", 1, "i", ErrorCode.INVALID_REQUEST, "m"));
        // The number 1001 is the two bytes E9 07; 1002 + 0x70 is no code.
        int at = new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1).indexOf("\u00e9\u0007");
        bytes[at] = (byte) 0xFF;
        assertThat(((AnswerEvent.Failed) WireCodec.decode(bytes)).code()).isEqualTo(ErrorCode.INTERNAL);
    }
}
