package org.vlmserve.protocol.error;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class VlmExceptionTest {

    /** What an error quotes may come from anyone, and is shown on terminals and written to logs line by line. */
    @Test
    void itsWordsStayOnALine() {
        assertThat(new VlmException(ErrorCode.INVALID_REQUEST, "'a\nb\u001b[2J\u0000'; expected a name"))
                .hasMessage("'a b [2J '; expected a name");
        assertThat(new VlmException(ErrorCode.INVALID_REQUEST, "x".repeat(1_500)))
                .hasMessage("x".repeat(1_500));
        assertThat(new VlmException(ErrorCode.INVALID_REQUEST, "x".repeat(1 << 20)))
                .hasMessage("x".repeat(1_500) + " …");
    }
}
