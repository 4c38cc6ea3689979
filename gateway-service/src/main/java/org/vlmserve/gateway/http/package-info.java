/**
 * What surrounds every call: request ids, API keys, admission, reading of bodies, error bodies, metrics and one log line.
 * HTTP exchanges come in; a {@link org.vlmserve.gateway.http.Call} with its tenant goes on to the handlers, and each
 * {@link org.vlmserve.protocol.error.VlmException} that comes back becomes an OpenAI error. Verified by {@code
 * HttpSurfaceTest}, {@code AdmissionTest} and {@code ApiKeysTest}.
 */
@NullMarked
package org.vlmserve.gateway.http;

import org.jspecify.annotations.NullMarked;
