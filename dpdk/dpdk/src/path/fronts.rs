//! The headers below RTP of one path, as they were written last. Packets of a sender are mostly of one length; where they are cut
//! at rows, those that straddle two are longer than the others.

use ip::{MacAddr, Template};

/// Octets that are copied for headers below RTP, of IPv4 with or without a tag: whole registers, of which what follows in the
/// packet overwrites the rest.
pub(crate) const FRONT_OCTETS: usize = 48;

/// See the module. Each path has its own: those of a burst take turns.
#[derive(Debug)]
pub(crate) struct Fronts {
    recent: [Front; 2],
    /// Of the one that was used longest ago.
    oldest: usize,
}

#[derive(Clone, Copy, Debug)]
struct Front {
    /// The next hop, and the octets of the UDP payload.
    is_of: Option<(MacAddr, u16)>,
    octets: [u8; FRONT_OCTETS],
}

impl Fronts {
    /// Of no packet yet.
    pub(super) const NONE: Self = Self { recent: [Front { is_of: None, octets: [0; FRONT_OCTETS] }; 2], oldest: 0 };

    /// Those of packets to `mac` with so many octets of UDP payload. `template` is the path's, and no longer than
    /// [`FRONT_OCTETS`].
    #[inline]
    pub(crate) fn of(&mut self, template: &Template, mac: MacAddr, payload_octets: u16) -> &[u8; FRONT_OCTETS] {
        let is_of = Some((mac, payload_octets));
        let place = usize::from(self.recent[0].is_of != is_of);
        if self.recent[place].is_of != is_of {
            return self.renew(template, mac, payload_octets);
        }
        self.oldest = 1 - place;
        &self.recent[place].octets
    }

    #[cold]
    fn renew(&mut self, template: &Template, mac: MacAddr, payload_octets: u16) -> &[u8; FRONT_OCTETS] {
        let place = self.oldest;
        self.oldest = 1 - place;
        let front = &mut self.recent[place];
        template.write(&mut front.octets, mac, payload_octets);
        front.is_of = Some((mac, payload_octets));
        &front.octets
    }
}

#[cfg(test)]
mod tests {
    use ip::TemplateConfig;

    use super::*;

    #[test]
    fn they_are_as_the_template_writes_them_whatever_was_asked_before() {
        let config = TemplateConfig {
            source_mac: MacAddr::new([2, 0, 0, 0, 0, 1]),
            vlan: None,
            source: "192.0.2.1:5004".parse().unwrap(),
            destination: "192.0.2.9:5004".parse().unwrap(),
            dscp: 34,
            ttl: 64,
        };
        let template = Template::new(&config).unwrap();
        let macs = [2, 3].map(|last| MacAddr::new([2, 0, 0, 0, 0, last]));
        let mut fronts = Fronts::NONE;
        for (mac, octets) in
            [(0, 1_220), (0, 1_226), (0, 1_220), (1, 1_220), (0, 1_226), (0, 1_220), (0, 400), (1, 400)]
        {
            let mut expected = [0; FRONT_OCTETS];
            template.write(&mut expected, macs[mac], octets);
            assert_eq!(*fronts.of(&template, macs[mac], octets), expected, "{octets}");
        }
    }
}
