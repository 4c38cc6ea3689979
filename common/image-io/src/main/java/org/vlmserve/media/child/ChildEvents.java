package org.vlmserve.media.child;

/** What an operator wants to count. Called from any thread. */
public interface ChildEvents {

    ChildEvents IGNORED = new ChildEvents() {
        @Override
        public void started() {}

        @Override
        public void ended(String reason) {}
    };

    void started();

    /** @param reason one of {@code recycled}, {@code memory}, {@code time}, {@code silence}, {@code crash}, {@code cancelled} */
    void ended(String reason);
}
