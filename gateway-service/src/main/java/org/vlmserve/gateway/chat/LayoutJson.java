package org.vlmserve.gateway.chat;

import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** What a picture costs, as answers and plans tell it. */
final class LayoutJson {

    private LayoutJson() {}

    static ObjectNode of(PictureLayout layout) {
        PictureSource source = layout.source();
        ObjectNode node = JsonNodeFactory.instance.objectNode();
        node.put("medium", source.medium().wireName());
        ObjectNode given = size(node.putObject("source"), source.width(), source.height());
        if (source.medium() == Medium.VIDEO) {
            given.put("frames", source.frames());
        }
        if (source.framesInFile() > source.frames()) {
            given.put("frames_in_file", source.framesInFile());
        }
        size(node.putObject("resized"), layout.resizedWidth(), layout.resizedHeight());
        ArrayNode grids = node.putArray("grids");
        for (PictureLayout.Grid grid : layout.grids()) {
            grids.addArray().add(grid.time()).add(grid.height()).add(grid.width());
        }
        node.put("tokens", layout.tokens());
        return node;
    }

    private static ObjectNode size(ObjectNode node, int width, int height) {
        return node.put("width", width).put("height", height);
    }
}
