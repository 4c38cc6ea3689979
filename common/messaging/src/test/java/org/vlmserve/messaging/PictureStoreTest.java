package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.Envelope;
import org.vlmserve.protocol.PictureKey;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.tensor.Tensor;

/** Slices into pictures. */
class PictureStoreTest {

    private static final PictureKey A = Echo.key("m", "t", "a");
    private static final PictureKey B = Echo.key("m", "t", "b");

    private final PictureStore store = new PictureStore(64);

    private static Envelope request(String id) {
        return new Envelope(id, Echo.model("m"), "t", 0, Instant.EPOCH, Instant.MAX, "");
    }

    private void slice(PictureKey key, int first, int total, float... values) {
        store.slice(
                request("r"),
                key,
                first,
                total,
                Tensor.ofFloats(values, values.length / 2, 2),
                StageTimes.ZERO.withProject(Duration.ofMillis(1)));
    }

    @Test
    void isWholeOnceLayoutAndAllRowsAreThereInAnyOrder() {
        slice(A, 2, 3, 5, 6);
        assertThat(store.ready(A)).isEmpty();
        store.layout(A, Echo.layout(3));
        slice(A, 2, 3, 9, 9); // a duplicate is dropped, whatever it holds
        assertThat(store.ready(A)).isEmpty();
        slice(A, 0, 3, 1, 2, 3, 4);
        PromptHandler.ReadyPicture picture = store.ready(A).orElseThrow();
        assertThat(picture.embeddings().toFloats()).containsExactly(1, 2, 3, 4, 5, 6);
        assertThat(picture.embeddings().shape()).containsExactly(3, 2);
        PictureStore.Entry entry = java.util.Objects.requireNonNull(store.find(A));
        assertThat(entry.times("r").project()).isEqualTo(Duration.ofMillis(2));
        assertThat(entry.times("another").project()).isZero();
    }

    @Test
    void anOverlapFillsWhatIsStillMissing() {
        store.layout(A, Echo.layout(3));
        slice(A, 0, 3, 1, 2, 3, 4);
        slice(A, 1, 3, 3, 4, 5, 6);
        assertThat(store.ready(A).orElseThrow().embeddings().toFloats()).containsExactly(1, 2, 3, 4, 5, 6);
    }

    @Test
    void refusesContradictions() {
        store.layout(A, Echo.layout(3));
        assertThatThrownBy(() -> slice(A, 0, 4, 1, 2))
                .hasMessageContaining("3 rows")
                .hasMessageContaining("count 4");
        slice(B, 0, 2, 1, 2);
        assertThatThrownBy(() -> slice(B, 0, 3, 1, 2)).hasMessageContaining("does not fit");
        assertThatThrownBy(() -> slice(B, 1, 2, 1, 2, 3, 4)).hasMessageContaining("does not lie within 2 rows");
        assertThatThrownBy(() -> slice(B, -1, 2, 1, 2)).hasMessageContaining("does not lie within");
    }

    @Test
    void refusesWhatIsLargerThanTheStoreBeforeAllocatingIt() {
        assertThatThrownBy(() -> slice(A, 0, Integer.MAX_VALUE, 1, 2))
                .hasMessageContaining("takes " + 8L * Integer.MAX_VALUE + " bytes");
        assertThat(store.bytes()).isZero();
    }

    @Test
    void letsTheLeastRecentlyUsedGoButNothingThatIsNeeded() {
        slice(A, 0, 8, 1, 2);
        slice(B, 0, 8, 1, 2);
        assertThat(store.bytes()).isEqualTo(128);
        store.evict(Set.of(A, B)::contains);
        assertThat(store.bytes()).isEqualTo(128);
        store.evict(Set.of(A)::contains);
        assertThat(store.find(A)).isNotNull();
        assertThat(store.find(B)).isNull();
        assertThat(store.bytes()).isEqualTo(64);
    }
}
