/**
 * From what a caller wrote to a picture's bytes: {@code data:} URLs are decoded, http and https URLs are fetched from
 * public addresses only. A {@link org.vlmserve.gateway.picture.PictureUrl} comes in, the file's bytes go out; they are
 * looked at only far enough to tell their type. Verified by {@code AddressPolicyTest}, {@code PictureFetcherTest} and
 * {@code PictureUrlTest}.
 */
@NullMarked
package org.vlmserve.gateway.picture;

import org.jspecify.annotations.NullMarked;
