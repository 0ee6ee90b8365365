//! Which addresses are public: the only ones that a name may lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Returns an address without the IPv6 notations of IPv4 ones.
pub(super) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Returns whether an address belongs to the public internet, after the special-purpose registries of
/// IANA (RFC 6890 and its updates).
pub(super) fn is_public(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(four) => is_public_4(four),
        IpAddr::V6(six) => is_public_6(six),
    }
}

/// Returns whether nobody can mean this address, not even by listing it: those of every link, in which
/// clouds keep their credentials, and those of many or of nobody.
pub(super) fn is_never(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(four) => {
            four.is_link_local()
                || four.is_multicast()
                || four.is_broadcast()
                || four.octets()[0] == 0
        }
        IpAddr::V6(six) => {
            six.is_unicast_link_local() || six.is_multicast() || six.is_unspecified()
        }
    }
}

fn is_public_4(address: Ipv4Addr) -> bool {
    let [one, two, three, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // This network; shared space; protocol assignments; benchmarks; multicast, reserved, broadcast.
        || one == 0
        || (one == 100 && (64..128).contains(&two))
        || (one == 192 && two == 0 && three == 0)
        || (one == 198 && matches!(two, 18 | 19))
        || one >= 224;
    !special
}

fn is_public_6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let four = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // Translation to IPv4, and 6to4, carry an address that decides.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => four(high, low),
        // Teredo and other protocol assignments; documentation.
        [0x2001, two, ..] if two < 0x200 || two == 0xdb8 => false,
        // Only 2000::/3 is given out.
        [one, ..] => one & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_internet_is_public() {
        let public = [
            "1.1.1.1",
            "93.184.216.34",
            "172.32.0.1",
            "2606:4700::1",
            "64:ff9b::101:101",
        ];
        let not = [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "fec0::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "100::1",
        ];
        let parse = |text: &str| text.parse::<IpAddr>().expect(text);
        for text in public {
            assert!(is_public(parse(text)), "{text}");
        }
        for text in not {
            assert!(!is_public(parse(text)), "{text}");
        }
        assert!(is_never(parse("169.254.169.254")) && is_never(parse("::ffff:169.254.169.254")));
        assert!(is_never(parse("fe80::1")) && is_never(parse("0.0.0.0")) && is_never(parse("::")));
        assert!(
            !is_never(parse("127.0.0.1"))
                && !is_never(parse("10.0.0.1"))
                && !is_never(parse("::1"))
        );
    }
}
