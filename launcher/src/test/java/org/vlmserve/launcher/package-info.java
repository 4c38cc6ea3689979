/** Tests of the launcher, with {@link org.vlmserve.launcher.FakeProgram} in place of the services. */
@NullMarked
package org.vlmserve.launcher;

import org.jspecify.annotations.NullMarked;
