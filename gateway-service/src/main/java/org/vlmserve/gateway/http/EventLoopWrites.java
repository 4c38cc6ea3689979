package org.vlmserve.gateway.http;

import org.reactivestreams.Publisher;
import org.springframework.core.io.buffer.DataBuffer;
import org.springframework.http.server.reactive.AbstractServerHttpRequest;
import org.springframework.http.server.reactive.HttpHandler;
import org.springframework.http.server.reactive.HttpHandlerDecoratorFactory;
import org.springframework.http.server.reactive.ServerHttpRequest;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.http.server.reactive.ServerHttpResponseDecorator;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;
import reactor.netty.http.server.HttpServerRequest;

/**
 * Starts every write of a response on its connection's event loop. A response that is written from another thread may reach
 * the client before the server has noticed that it is done; Reactor Netty 1.3.7 then queues the client's next request on that
 * connection and, once it has answered it, reads no more: the request after hangs. {@code KeepAliveTest} shows it.
 */
public final class EventLoopWrites implements HttpHandlerDecoratorFactory {

    @Override
    public HttpHandler apply(HttpHandler handler) {
        return (request, response) -> handler.handle(request, new OnLoop(response, eventLoop(request)));
    }

    private static Scheduler eventLoop(ServerHttpRequest request) {
        if (request instanceof AbstractServerHttpRequest ours
                && ours.getNativeRequest() instanceof HttpServerRequest netty) {
            Scheduler[] loop = new Scheduler[1];
            netty.withConnection(connection ->
                    loop[0] = Schedulers.fromExecutor(connection.channel().eventLoop()));
            return loop[0];
        }
        throw new IllegalStateException("expected a request of Reactor Netty, got " + request.getClass());
    }

    private static final class OnLoop extends ServerHttpResponseDecorator {

        private final Scheduler loop;

        OnLoop(ServerHttpResponse response, Scheduler loop) {
            super(response);
            this.loop = loop;
        }

        @Override
        public Mono<Void> writeWith(Publisher<? extends DataBuffer> body) {
            return super.writeWith(body).subscribeOn(loop);
        }

        @Override
        public Mono<Void> writeAndFlushWith(Publisher<? extends Publisher<? extends DataBuffer>> body) {
            return super.writeAndFlushWith(body).subscribeOn(loop);
        }

        @Override
        public Mono<Void> setComplete() {
            return super.setComplete().subscribeOn(loop);
        }
    }
}
