package org.vlmserve.gateway;

import io.micrometer.core.instrument.MeterRegistry;
import io.netty.handler.timeout.WriteTimeoutHandler;
import java.net.InetAddress;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.boot.reactor.netty.NettyServerCustomizer;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.Ordered;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpMethod;
import org.springframework.web.cors.CorsConfiguration;
import org.springframework.web.cors.reactive.CorsConfigurationSource;
import org.springframework.web.cors.reactive.CorsWebFilter;
import org.springframework.web.cors.reactive.UrlBasedCorsConfigurationSource;
import org.springframework.web.reactive.HandlerMapping;
import org.springframework.web.reactive.handler.SimpleUrlHandlerMapping;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebFilter;
import org.springframework.web.server.WebFilterChain;
import org.vlmserve.gateway.chat.ChatCompletionsHandler;
import org.vlmserve.gateway.chat.ChatRequestParser;
import org.vlmserve.gateway.chat.Intake;
import org.vlmserve.gateway.chat.ModelsHandler;
import org.vlmserve.gateway.chat.PlanHandler;
import org.vlmserve.gateway.config.AdmissionConfig;
import org.vlmserve.gateway.config.ApiConfig;
import org.vlmserve.gateway.config.ApiKeysConfig;
import org.vlmserve.gateway.config.ConnectionConfig;
import org.vlmserve.gateway.config.CorsConfig;
import org.vlmserve.gateway.config.DetailConfig;
import org.vlmserve.gateway.config.MediaConfig;
import org.vlmserve.gateway.config.RequestConfig;
import org.vlmserve.gateway.config.StreamConfig;
import org.vlmserve.gateway.http.Admission;
import org.vlmserve.gateway.http.ApiKeys;
import org.vlmserve.gateway.http.BodyReader;
import org.vlmserve.gateway.http.ErrorResponses;
import org.vlmserve.gateway.http.EventLoopWrites;
import org.vlmserve.gateway.http.GatewayMetrics;
import org.vlmserve.gateway.http.OnlyMethod;
import org.vlmserve.gateway.http.RequestFilter;
import org.vlmserve.gateway.picture.AddressPolicy;
import org.vlmserve.gateway.picture.PictureFetcher;
import org.vlmserve.messaging.RequestRoad;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;
import tools.jackson.databind.json.JsonMapper;

@Configuration(proxyBeanMethods = false)
class GatewayConfiguration {

    /** Plain JSON, whatever an application's Jackson settings are. */
    private static final JsonMapper JSON = JsonMapper.shared();

    /** A virtual thread for each task; {@link Admission} bounds how many there are. */
    @Bean(destroyMethod = "dispose")
    Scheduler blockingScheduler() {
        return Schedulers.fromExecutorService(Executors.newVirtualThreadPerTaskExecutor(), "blocking");
    }

    @Bean
    Admission admission(AdmissionConfig config) {
        return new Admission(config);
    }

    @Bean
    GatewayMetrics gatewayMetrics(MeterRegistry registry, Admission admission) {
        return new GatewayMetrics(registry, admission);
    }

    @Bean
    ErrorResponses errorResponses(AdmissionConfig config) {
        return new ErrorResponses(JSON, config.retryAfter());
    }

    @Bean
    BodyReader bodyReader(RequestConfig config, ConnectionConfig connection, Scheduler blockingScheduler) {
        return new BodyReader(config.maxBody().toBytes(), connection, blockingScheduler);
    }

    @Bean
    RequestFilter requestFilter(
            ApiKeysConfig apiKeys, ErrorResponses errors, BodyReader bodies, GatewayMetrics metrics) {
        return new RequestFilter(new ApiKeys(apiKeys), errors, bodies, metrics);
    }

    @Bean
    PictureFetcher pictureFetcher(MediaConfig media, RequestConfig request, Scheduler blockingScheduler) {
        return new PictureFetcher(
                media,
                request.maxPicture().toBytes(),
                new AddressPolicy(media.allowedHosts(), InetAddress::getAllByName),
                blockingScheduler);
    }

    @Bean
    ChatRequestParser chatRequestParser(RequestConfig request, DetailConfig detail, ApiConfig api) {
        return new ChatRequestParser(request, detail, api);
    }

    @Bean
    Intake intake(RequestConfig request, MediaConfig media, PictureFetcher fetcher, RequestRoad road) {
        return new Intake(request, media, fetcher, road.status());
    }

    @Bean
    PlanHandler planHandler(
            ChatRequestParser parser,
            Intake intake,
            Admission admission,
            BodyReader bodies,
            RequestRoad road,
            GatewayMetrics metrics,
            Scheduler blockingScheduler) {
        return new PlanHandler(parser, intake, admission, bodies, road, metrics, JSON, blockingScheduler);
    }

    @Bean
    ChatCompletionsHandler chatCompletionsHandler(
            StreamConfig stream,
            ChatRequestParser parser,
            Intake intake,
            Admission admission,
            BodyReader bodies,
            RequestRoad road,
            ErrorResponses errors,
            GatewayMetrics metrics,
            Scheduler blockingScheduler) {
        return new ChatCompletionsHandler(
                stream, parser, intake, admission, bodies, road, errors, metrics, JSON, blockingScheduler);
    }

    @Bean
    HandlerMapping apiMapping(ChatCompletionsHandler chat, PlanHandler plan, RequestRoad road) {
        OnlyMethod models = new OnlyMethod(HttpMethod.GET, new ModelsHandler(road.status(), JSON));
        ApiMapping mapping = new ApiMapping();
        mapping.setOrder(-1);
        mapping.setUrlMap(Map.of(
                "/v1/chat/completions",
                new OnlyMethod(HttpMethod.POST, chat),
                "/v1/vision/plan",
                new OnlyMethod(HttpMethod.POST, plan),
                "/v1/models",
                models,
                "/v1/models/{" + ModelsHandler.MODEL + "}",
                models));
        return mapping;
    }

    /**
     * Serves the API on its own port only: the management port's context, a child of this one, finds these beans too.
     */
    private static final class ApiMapping extends SimpleUrlHandlerMapping {

        @Override
        public Mono<Object> getHandler(ServerWebExchange exchange) {
            return exchange.getApplicationContext() == obtainApplicationContext()
                    ? super.getHandler(exchange)
                    : Mono.empty();
        }
    }

    @Bean
    EventLoopWrites eventLoopWrites() {
        return new EventLoopWrites();
    }

    @Bean
    HealthIndicator models(RequestRoad road) {
        return new ModelsHealth(road.status());
    }

    /** Closes connections that wait without a complete header; bodies have clocks of their own. */
    @Bean
    NettyServerCustomizer idleTimeout(ConnectionConfig config) {
        return server -> server.idleTimeout(config.idleTimeout());
    }

    /** Comes before all else: a preflight request carries no API key, and errors must be readable to the page too. */
    @Bean
    WebFilter corsFilter(CorsConfig config) {
        CorsConfiguration cors = new CorsConfiguration();
        cors.setAllowedOriginPatterns(config.allowedOrigins());
        cors.setAllowedMethods(List.of("GET", "POST"));
        cors.setAllowedHeaders(config.allowedHeaders());
        cors.setExposedHeaders(List.of(RequestFilter.REQUEST_ID, HttpHeaders.RETRY_AFTER));
        cors.setMaxAge(config.maxAge());
        UrlBasedCorsConfigurationSource paths = new UrlBasedCorsConfigurationSource();
        paths.registerCorsConfiguration("/v1/**", cors);
        return new OrderedCorsFilter(!config.allowedOrigins().isEmpty(), paths);
    }

    private static final class OrderedCorsFilter extends CorsWebFilter implements Ordered {

        private final boolean on;

        OrderedCorsFilter(boolean on, CorsConfigurationSource paths) {
            super(paths);
            this.on = on;
        }

        @Override
        public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
            return on ? super.filter(exchange, chain) : chain.filter(exchange);
        }

        @Override
        public int getOrder() {
            return Ordered.HIGHEST_PRECEDENCE;
        }
    }

    /** Frees what a reader holds that takes nothing any more, after its request was cancelled for a full buffer. */
    @Bean
    NettyServerCustomizer writeTimeout(StreamConfig config) {
        // Once a channel. Added to each request's connection it would come and go with requests, under the feet of
        // answers that are written from other threads.
        return server -> server.doOnChannelInit((observer, channel, address) -> channel.pipeline()
                .addFirst(new WriteTimeoutHandler(config.writeTimeout().toMillis(), TimeUnit.MILLISECONDS)));
    }
}
