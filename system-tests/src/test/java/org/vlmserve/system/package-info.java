/**
 * What holds for the suite as a whole: which code may know what, that split equals whole, that each command of the README
 * does what it says, and what happens when a part of the suite dies.
 */
@NullMarked
package org.vlmserve.system;

import org.jspecify.annotations.NullMarked;
