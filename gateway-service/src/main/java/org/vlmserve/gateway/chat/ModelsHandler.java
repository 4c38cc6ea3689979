package org.vlmserve.gateway.chat;

import java.time.Instant;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.springframework.web.reactive.HandlerMapping;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebHandler;
import org.vlmserve.messaging.StatusBoard;
import org.vlmserve.protocol.InstanceStatus.ServedModel;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.Stage;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import reactor.core.publisher.Mono;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code GET /v1/models} and {@code GET /v1/models/{id}}: what can be asked now. A model whose decoder alone is live takes
 * texts; pictures need its other stages too.
 */
public final class ModelsHandler implements WebHandler {

    /** The path variable of one model. */
    public static final String MODEL = "model";

    private final StatusBoard status;
    private final JsonMapper json;

    public ModelsHandler(StatusBoard status, JsonMapper json) {
        this.status = status;
        this.json = json;
    }

    @Override
    public Mono<Void> handle(ServerWebExchange exchange) {
        Map<String, String> variables = exchange.getRequiredAttribute(HandlerMapping.URI_TEMPLATE_VARIABLES_ATTRIBUTE);
        String wanted = variables.get(MODEL);
        return Intake.write(exchange.getResponse(), json, wanted == null ? list() : one(wanted));
    }

    private JsonNode list() {
        ObjectNode list = JsonNodeFactory.instance.objectNode();
        list.put("object", "list");
        ArrayNode data = list.putArray("data");
        status.models().stream()
                .sorted()
                .flatMap(model -> describe(model).stream())
                .forEach(data::add);
        return list;
    }

    private JsonNode one(String model) {
        return describe(model)
                .orElseThrow(() -> status.known(model)
                        ? new VlmException(
                                ErrorCode.STAGE_UNAVAILABLE,
                                "model '" + model + "' is known, but no decoder of it is live; try again later")
                        : notFound(model, null));
    }

    /** Nothing if it cannot be asked. */
    private Optional<ObjectNode> describe(String model) {
        Optional<ModelRef> pictures = status.serving(model);
        return pictures.isPresent()
                ? pictures.map(revision -> describe(revision, "text", "image"))
                : status.serving(model, EnumSet.of(Stage.DECODER)).map(revision -> describe(revision, "text"));
    }

    private ObjectNode describe(ModelRef model, String... modalities) {
        ObjectNode node = JsonNodeFactory.instance.objectNode();
        node.put("id", model.model());
        node.put("object", "model");
        node.put("created", importedAt(model).getEpochSecond());
        node.put("owned_by", "vlm");
        ObjectNode vlm = node.putObject("vlm");
        vlm.put("revision", model.revision()).put("context_length", contextLength(model));
        ArrayNode inputs = vlm.putArray("input_modalities");
        List.of(modalities).forEach(inputs::add);
        return node;
    }

    private Instant importedAt(ModelRef model) {
        return status.live().stream()
                .flatMap(instance -> instance.models().stream())
                .filter(served -> served.model().equals(model))
                .map(ServedModel::importedAt)
                .min(Comparator.naturalOrder())
                .orElse(Instant.EPOCH);
    }

    /** The least of the decoders', as nobody knows which will answer. */
    private int contextLength(ModelRef model) {
        return status.live().stream()
                .flatMap(instance -> instance.models().stream())
                .filter(served -> served.model().equals(model) && served.contextLength() > 0)
                .mapToInt(ServedModel::contextLength)
                .min()
                .orElse(0);
    }

    static VlmException notFound(String model, @Nullable String param) {
        String shown = model.length() <= 100 ? model : model.substring(0, 100) + "…";
        return new VlmException(
                ErrorCode.MODEL_NOT_FOUND,
                "model '" + shown + "' is not served here; GET /v1/models lists those that are",
                param,
                null);
    }
}
