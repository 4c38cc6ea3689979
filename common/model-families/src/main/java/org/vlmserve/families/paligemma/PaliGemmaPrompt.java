package org.vlmserve.families.paligemma;

/**
 * The manifest's {@code prompt} section.
 *
 * @param imageToken the placeholder of a picture in a text
 * @param imageTokenId its id
 * @param beginToken stands between the pictures and the text
 */
public record PaliGemmaPrompt(String imageToken, int imageTokenId, String beginToken) {}
