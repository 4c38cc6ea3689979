package org.vlmserve.gateway.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.springframework.util.unit.DataSize;
import org.vlmserve.gateway.config.AdmissionConfig;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class AdmissionTest {

    private final Admission admission =
            new Admission(new AdmissionConfig(2, DataSize.ofBytes(100), Duration.ofSeconds(1)));

    @Test
    void requestsAreBounded() {
        Admission.Ticket first = admission.admit();
        admission.admit();

        assertThat(catchThrowableOfType(VlmException.class, admission::admit).code())
                .isEqualTo(ErrorCode.OVERLOADED);
        assertThat(admission.requestsInFlight()).isEqualTo(2);

        first.close();
        first.close();
        assertThat(admission.requestsInFlight()).isEqualTo(1);
        admission.admit();
        assertThat(catchThrowableOfType(VlmException.class, admission::admit)).isNotNull();
    }

    @Test
    void bytesAreBoundedOverAllRequests() {
        Admission.Ticket first = admission.admit();
        Admission.Ticket second = admission.admit();
        first.reserve(60);
        second.reserve(40);

        assertThat(catchThrowableOfType(VlmException.class, () -> second.reserve(1))
                        .code())
                .isEqualTo(ErrorCode.OVERLOADED);
        assertThat(admission.bytesInFlight()).isEqualTo(100);

        first.close();
        assertThat(admission.bytesInFlight()).isEqualTo(40);
        second.reserve(60);
        second.close();
        second.reserve(50);
        assertThat(admission.bytesInFlight()).isZero();
    }
}
