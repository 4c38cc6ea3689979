package org.vlmserve.protocol.error;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ErrorCodeTest {

    @Test
    void numbersAreUnique() {
        assertThat(Arrays.stream(ErrorCode.values()).map(ErrorCode::number)).doesNotHaveDuplicates();
    }

    @ParameterizedTest
    @EnumSource
    void isFoundByItsNumber(ErrorCode code) {
        assertThat(ErrorCode.ofNumber(code.number())).isSameAs(code);
    }

    @ParameterizedTest
    @EnumSource
    void theStatusAgreesWithTheBlame(ErrorCode code) {
        int status = code.httpStatus();
        switch (code.blame()) {
            case CALLER ->
                assertThat(status == 0 || status >= 400 && status < 500).isTrue();
            case US -> assertThat(status).isIn(0, 500);
            case RESOURCES -> assertThat(status).isIn(0, 429, 503, 504);
        }
        assertThat(code.retryable()).isEqualTo(code.blame() == Blame.RESOURCES);
    }

    @Test
    void aNumberOfANewerVersionIsInternal() {
        assertThat(ErrorCode.ofNumber(9999)).isSameAs(ErrorCode.INTERNAL);
    }
}
