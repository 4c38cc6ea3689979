package org.vlmserve.gateway.picture;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.testing.fuzz.ByteMutations;
import org.vlmserve.testing.fuzz.Fuzzer;
import org.vlmserve.testing.fuzz.TextMutations;

/** However a URL is spelled, it leads to a public address under a plain name, with a target that fits on a request line, or it is refused. */
class UrlsFuzzTest {

    private static final List<String> CORPUS = List.of(
            "https://public.example/a/b.png?x=1#y",
            "http://93.184.215.14:8080/../é b.png",
            "https://[2606:4700::1111]/x",
            "http://127.0.0.1/",
            "http://[::ffff:169.254.169.254]/latest",
            "http://user@public.example:80/",
            "/a/../b",
            "?q",
            "//public.example/x");

    /** Names lead to a public address, so that only the spelling of the others decides. */
    private final AddressPolicy policy =
            new AddressPolicy(List.of(), host -> new InetAddress[] {InetAddress.ofLiteral("93.184.215.14")});

    @Test
    void urlsAndRedirects() {
        AddressPolicy.Target base = policy.check("https://public.example/folder/from?q", "p");
        Fuzzer.of("urls", ErrorCode.PICTURE_URL_REFUSED, ErrorCode.PICTURE_UNREACHABLE)
                .from(CORPUS.stream()
                        .map(url -> url.getBytes(StandardCharsets.UTF_8))
                        .toList())
                .by(ByteMutations.all())
                .by(TextMutations.all())
                .run(input -> {
                    String text = new String(input, StandardCharsets.ISO_8859_1);
                    for (String url : Stream.of(
                                    new String(input, StandardCharsets.UTF_8),
                                    base.url().resolve(text))
                            .toList()) {
                        AddressPolicy.Target target = policy.check(url, "p");
                        assertThat(AddressPolicy.isPublic(target.address().getAddress()))
                                .isTrue();
                        assertThat(target.url().hostHeader()).matches("[a-z0-9.:\\[\\]-]+");
                        assertThat(target.url().requestTarget()).matches("/[!-~]*");
                    }
                });
    }
}
