/**
 * What the three stage services share: configuration, the life of a process from its bundles to its shutdown, health, and
 * logs. Bundles and a {@link org.vlmserve.stage.StageLoader} come in; a stage that takes work from the road comes out.
 * Spring stays on this side of {@link org.vlmserve.stage.ServedStage}. Verified by {@code StageHostTest},
 * {@code StageConfigTest} and, against real processes, by the system tests.
 */
@NullMarked
package org.vlmserve.stage;

import org.jspecify.annotations.NullMarked;
