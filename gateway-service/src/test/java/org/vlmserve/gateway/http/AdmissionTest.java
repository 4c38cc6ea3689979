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
        Admission.Ticket first = admission.open();
        Admission.Ticket second = admission.open();
        Admission.Ticket third = admission.open();
        assertThat(admission.requestsInFlight()).isZero();
        first.admit();
        second.admit();
        second.admit();

        assertThat(catchThrowableOfType(VlmException.class, third::admit).code())
                .isEqualTo(ErrorCode.OVERLOADED);
        assertThat(catchThrowableOfType(VlmException.class, admission::open).code())
                .isEqualTo(ErrorCode.OVERLOADED);
        assertThat(admission.requestsInFlight()).isEqualTo(2);

        first.close();
        first.close();
        assertThat(admission.requestsInFlight()).isEqualTo(1);
        third.admit();
        assertThat(catchThrowableOfType(VlmException.class, admission::open)).isNotNull();
    }

    @Test
    void bytesAreBoundedOverAllRequests() {
        Admission.Ticket first = admission.open();
        Admission.Ticket second = admission.open();
        first.reserve(60);
        second.reserve(40);

        assertThat(catchThrowableOfType(VlmException.class, () -> second.reserve(1))
                        .code())
                .isEqualTo(ErrorCode.OVERLOADED);
        assertThat(admission.bytesInFlight()).isEqualTo(100);

        first.close();
        assertThat(admission.bytesInFlight()).isEqualTo(40);
        second.reserve(60);
        second.release(30);
        assertThat(admission.bytesInFlight()).isEqualTo(70);
        second.close();
        second.release(20);
        second.reserve(50);
        assertThat(admission.bytesInFlight()).isZero();
    }

    @Test
    void whatCanNeverFitIsTooLargeAndNotOverload() {
        Admission.Ticket ticket = admission.open();
        ticket.reserve(60);

        assertThat(catchThrowableOfType(VlmException.class, () -> ticket.reserve(41))
                        .code())
                .isEqualTo(ErrorCode.REQUEST_TOO_LARGE);
        assertThat(admission.bytesInFlight()).isEqualTo(60);
        ticket.reserve(40);
    }
}
