package org.vlmserve.messaging;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.vlmserve.protocol.WireCodec;
import org.vlmserve.protocol.WireMessage;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** From Kafka's records to the protocol's. */
final class Records {

    private Records() {}

    /** @throws VlmException {@code RECORD_UNREADABLE} or {@code PROTOCOL_VERSION} */
    static WireMessage decode(ConsumerRecord<?, byte[]> record) {
        if (record.value() == null) {
            throw new VlmException(ErrorCode.RECORD_UNREADABLE, "record has no value");
        }
        return WireCodec.decode(record.value());
    }

    /** How often a job was delivered in vain before it was put back; see {@code docs/protocol.md}. */
    private static final String FAILED_DELIVERIES = "failed-deliveries";

    static void failedDeliveries(ProducerRecord<?, ?> record, int count) {
        if (count > 0) {
            record.headers().add(FAILED_DELIVERIES, new byte[] {(byte) Math.min(count, Byte.MAX_VALUE)});
        }
    }

    static int failedDeliveries(ConsumerRecord<?, ?> record) {
        Header header = record.headers().lastHeader(FAILED_DELIVERIES);
        return header == null || header.value() == null || header.value().length != 1 ? 0 : header.value()[0];
    }

    /** The record as the one type that belongs on its topic. */
    static <M extends WireMessage> M decode(ConsumerRecord<?, byte[]> record, Class<M> expected) {
        WireMessage message = decode(record);
        if (!expected.isInstance(message)) {
            throw new VlmException(
                    ErrorCode.RECORD_UNREADABLE,
                    "a " + message.getClass().getSimpleName() + " on " + record.topic() + ", expected "
                            + expected.getSimpleName());
        }
        return expected.cast(message);
    }
}
