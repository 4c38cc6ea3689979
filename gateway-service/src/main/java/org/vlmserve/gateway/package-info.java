/**
 * The gateway service: the OpenAI API in front of the road. This package only puts the parts together: properties come in,
 * a running server goes out. It knows no model family and no tensor. Verified by {@code KafkaRoadTest} and {@code ManagementTest}.
 */
@NullMarked
package org.vlmserve.gateway;

import org.jspecify.annotations.NullMarked;
