package org.vlmserve.gateway.picture;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.Collection;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Decides which URLs the gateway may fetch for a stranger. Only one spelling of each host is accepted, so that no two
 * readers of a URL can disagree about it; names are resolved once, every address must be public, and the connection goes
 * to the address that was checked, so a name cannot change its mind in between. Addresses of IANA's special-purpose
 * registries (RFC 6890 and its updates) are not public, nor are those that embed an IPv4 address, nor those at which clouds serve
 * their own machines.
 *
 * @see <a href="https://www.iana.org/assignments/iana-ipv4-special-registry">IPv4</a>
 * @see <a href="https://www.iana.org/assignments/iana-ipv6-special-registry">IPv6</a>
 */
public final class AddressPolicy {

    private static final Pattern DOTTED_DECIMAL = Pattern.compile(
            "(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])");
    private static final Pattern NAME =
            Pattern.compile("(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?");

    /** Names of containers and services often hold them; they are no host names, so the operator has to name such a host. */
    private static final Pattern NAME_WITH_UNDERSCORES =
            Pattern.compile("(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\\.)*[a-z_](?:[a-z0-9_-]{0,61}[a-z0-9_])?");

    private static final Block[] NOT_PUBLIC_V4 = {
        new Block("0.0.0.0", 8),
        new Block("10.0.0.0", 8),
        new Block("100.64.0.0", 10),
        new Block("127.0.0.0", 8),
        new Block("169.254.0.0", 16),
        new Block("172.16.0.0", 12),
        new Block("192.0.0.0", 24),
        new Block("192.0.2.0", 24),
        new Block("192.31.196.0", 24),
        new Block("192.52.193.0", 24),
        new Block("192.88.99.0", 24),
        new Block("192.168.0.0", 16),
        new Block("192.175.48.0", 24),
        new Block("198.18.0.0", 15),
        new Block("198.51.100.0", 24),
        new Block("203.0.113.0", 24),
        new Block("224.0.0.0", 4),
        new Block("240.0.0.0", 4),
    };

    /** Public by their numbers, and answered within a cloud by its own services, with secrets of the machine that asks. */
    private static final Block[] CLOUDS_OWN_V4 = {
        // Azure: metadata, health probes, DNS
        new Block("168.63.129.16", 32),
        // IBM: service endpoints of the private network
        new Block("161.26.0.0", 16),
        new Block("166.8.0.0", 14),
        // Equinix Metal: metadata
        new Block("192.80.8.124", 32),
    };

    private static final Block GLOBAL_UNICAST_V6 = new Block("2000::", 3);
    private static final Block[] NOT_PUBLIC_V6 = {
        new Block("2001::", 23),
        new Block("2001:db8::", 32),
        new Block("2002::", 16),
        new Block("2620:4f:8000::", 48),
        new Block("3fff::", 20),
    };

    private final Set<String> allowedHosts;
    private final Resolver resolver;

    /** @param allowedHosts {@code host} or {@code host:port}, exempt from the rule that addresses must be public */
    public AddressPolicy(Collection<String> allowedHosts, Resolver resolver) {
        this.allowedHosts = allowedHosts.stream()
                .map(host -> host.toLowerCase(Locale.ROOT))
                .collect(Collectors.toUnmodifiableSet());
        this.resolver = resolver;
    }

    /** Looks names up; blocks. {@link InetAddress#getAllByName} outside of tests. */
    @FunctionalInterface
    public interface Resolver {
        InetAddress[] resolve(String host) throws UnknownHostException;
    }

    /**
     * A URL that may be fetched.
     *
     * @param address to connect to; carries the host's name for the Host header and for TLS
     */
    record Target(FetchUrl url, InetSocketAddress address) {

        boolean secure() {
            return url.scheme().equals("https");
        }
    }

    /**
     * Checks a URL and resolves its host; blocks.
     *
     * @param param the request field at fault
     * @throws VlmException {@code PICTURE_URL_REFUSED}; {@code PICTURE_UNREACHABLE} if the name does not resolve
     */
    Target check(String text, String param) {
        FetchUrl url = FetchUrl.parse(text, param);
        String host = url.host();
        boolean allowed = allowedHosts.contains(host) || allowedHosts.contains(host + ":" + url.effectivePort());
        InetAddress[] addresses = addresses(host, allowed, param);
        if (!allowed) {
            for (InetAddress address : addresses) {
                if (!isPublic(address)) {
                    throw refused("the URL's host has an address that is not public", param);
                }
            }
        }
        return new Target(url, new InetSocketAddress(named(host, addresses[0]), url.effectivePort()));
    }

    private InetAddress[] addresses(String host, boolean allowed, String param) {
        if (host.startsWith("[")) {
            InetAddress address;
            try {
                address = InetAddress.ofLiteral(host.substring(1, host.length() - 1));
            } catch (IllegalArgumentException e) {
                throw refused("the URL's IPv6 address is malformed", param);
            }
            if (address instanceof Inet4Address) {
                throw refused("the URL spells an IPv4 address as IPv6", param);
            }
            return new InetAddress[] {address};
        }
        if (DOTTED_DECIMAL.matcher(host).matches()) {
            return new InetAddress[] {InetAddress.ofLiteral(host)};
        }
        Pattern names = allowed ? NAME_WITH_UNDERSCORES : NAME;
        if (host.length() > 253 || !names.matcher(host).matches()) {
            throw refused("the URL's host is spelled unusually; expected a DNS name or four decimal numbers", param);
        }
        try {
            InetAddress[] addresses = resolver.resolve(host);
            if (addresses.length == 0) {
                throw new UnknownHostException(host);
            }
            return addresses;
        } catch (UnknownHostException e) {
            throw new VlmException(ErrorCode.PICTURE_UNREACHABLE, "the host " + host + " is not known", param, e);
        }
    }

    /** The same address under this name, so that nothing looks the name up again. */
    private static InetAddress named(String host, InetAddress address) {
        try {
            return InetAddress.getByAddress(
                    host.startsWith("[") ? host.substring(1, host.length() - 1) : host, address.getAddress());
        } catch (UnknownHostException e) {
            throw new AssertionError("an address has a legal length", e);
        }
    }

    static boolean isPublic(InetAddress address) {
        byte[] bytes = address.getAddress();
        if (bytes.length == 4) {
            return none(NOT_PUBLIC_V4, bytes) && none(CLOUDS_OWN_V4, bytes);
        }
        return GLOBAL_UNICAST_V6.contains(bytes) && none(NOT_PUBLIC_V6, bytes) && !isIsatap(bytes);
    }

    /** RFC 5214, section 6.1: an IPv4 address in the last 32 bits, which a router may send on to. */
    private static boolean isIsatap(byte[] bytes) {
        return (bytes[8] & 0xFC) == 0 && bytes[9] == 0 && bytes[10] == 0x5E && bytes[11] == (byte) 0xFE;
    }

    private static boolean none(Block[] blocks, byte[] address) {
        for (Block block : blocks) {
            if (block.contains(address)) {
                return false;
            }
        }
        return true;
    }

    static VlmException refused(String message, String param) {
        return new VlmException(ErrorCode.PICTURE_URL_REFUSED, message, param, null);
    }

    /** A CIDR block. */
    private record Block(byte[] network, int prefix) {

        Block(String network, int prefix) {
            this(InetAddress.ofLiteral(network).getAddress(), prefix);
        }

        boolean contains(byte[] address) {
            if (address.length != network.length) {
                return false;
            }
            for (int bit = 0; bit < prefix; bit++) {
                int mask = 0x80 >> (bit % 8);
                if ((address[bit / 8] & mask) != (network[bit / 8] & mask)) {
                    return false;
                }
            }
            return true;
        }
    }
}
