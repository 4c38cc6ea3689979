package org.vlmserve.stage;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.boot.SpringBootExceptionReporter;
import org.springframework.context.ConfigurableApplicationContext;
import org.vlmserve.protocol.error.VlmException;

/** Reports a start that fails for a known reason in one line, without a stack trace. */
final class StartupFailure implements SpringBootExceptionReporter {

    private static final Logger log = LoggerFactory.getLogger(StartupFailure.class);

    /** @param context as Spring Boot requires of a reporter */
    StartupFailure(ConfigurableApplicationContext context) {}

    @Override
    public boolean reportException(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof VlmException known) {
                log.error("{}: {}", known.code(), known.getMessage());
                return true;
            }
        }
        return false;
    }
}
