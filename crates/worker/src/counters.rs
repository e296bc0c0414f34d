//! Counters by reason, written by one worker and read by anyone.

use netio::counter_set;

counter_set! {
    /// What became of the packets and grains of one receiver.
    ReceiverCounters {
        /// Packets that the queue delivered for this receiver.
        packets,
        /// Octets of their UDP payloads.
        octets,
        /// Packets whose arrival the network card told. Of those that nobody told it is when their burst was taken.
        packets_timed_by_nic,
        /// Packets whose arrival the kernel told.
        packets_timed_by_kernel,
        /// Datagrams that are no RTP (version, lengths, padding that do not fit).
        rtp_malformed,
        /// RTP with another payload type than the SDP's.
        payload_type_wrong,
        /// Datagrams from a source that the SDP's filter excludes.
        source_foreign,
        /// RTP of another SSRC while the stream's own is alive.
        ssrc_foreign,
        /// Times that a new SSRC took the stream over.
        ssrc_changes,
        /// Payloads whose SRD headers do not fit the packet.
        payload_malformed,
        /// Segments with a row outside the picture.
        segment_row,
        /// Segments that begin or end outside their row.
        segment_offset,
        /// Segments of no, or not a whole number of, pgroups.
        segment_length,
        /// Segments whose octets are not all in the packet.
        segment_truncated,
        /// Segments of a second field in a progressive stream.
        segment_field,
        /// Octets behind the last segment's data.
        octets_trailing,
        /// Packets that brought nothing new.
        duplicates,
        /// Packets of a grain that was closed already.
        late,
        /// Packets that came in another order than sent.
        reordered,
        /// Packets that never came, by sequence number, wherever they were lost.
        packets_lost,
        /// Packets far from all others in sequence: sorted in only if the next one follows.
        doubtful,
        /// Breaks of the sequence that were taken for a sender's restart.
        sequence_restarts,
        /// Jumps of the timestamp on which the grain index was anchored anew.
        timestamp_jumps,
        /// Grains that came faster than the rate says, or while the clock was behind the last one: their index is the
        /// last one's plus 1, not that of their time.
        grains_too_soon,
        /// Grains begun.
        grains_opened,
        /// Grains in which every pgroup arrived.
        grains_complete,
        /// Grains closed with lines missing.
        grains_incomplete,
        /// Lines declared lost.
        lines_lost,
        /// Grains dropped whole because the ring had no free slot.
        grains_no_slot,
        /// Grains dropped because their index was not above the last.
        grains_not_monotone,
        /// Packets of grains dropped whole.
        packets_dropped_with_grain,
        /// Octets written to their place in the ring: the one copy.
        octets_copied_by_us,
        /// Octets that the kernel copied to hand the packets over.
        octets_copied_by_kernel,
        /// Datagrams that the socket's buffer had no room for.
        socket_drops,
        /// Datagrams cut by a receive buffer that was too small.
        datagrams_truncated,
        /// Packets that the queue had no buffer for.
        packets_without_buffer,
        /// Times that a grain was not waited for any longer because the queue had no buffer left.
        waits_cut,
        /// Errors of the queue.
        queue_errors,
        /// Grains whose samples were stored past the caches.
        grains_streamed,
        /// Index of the grain that was begun last; no count.
        last_grain,
        /// 1 while the stream keeps its own time; no count.
        is_async,
    }
}

counter_set! {
    /// What became of the grains and packets of one sender.
    SenderCounters {
        /// Packets made for the queue. It took them, or they are among `packets_taken_back`.
        packets,
        /// Octets of their UDP payloads.
        octets,
        /// Packets that the queue had not taken at the lateness bound, or when its port was detached.
        packets_taken_back,
        /// Grains of which every packet was made.
        grains_sent,
        /// Grains sent again by the frame synchroniser.
        grains_repeated,
        /// Grains dropped by the frame synchroniser.
        grains_dropped,
        /// Grains whose rest was skipped at the lateness bound.
        grains_late,
        /// Packets skipped at the lateness bound.
        packets_skipped_late,
        /// Packets not sent because a line in them was lost before us.
        packets_skipped_lost,
        /// Packets not sent because their grain was cancelled or taken away, or their port detached.
        packets_skipped_gone,
        /// Grains missed because the ring had moved on, or while the port was detached.
        grains_missed,
        /// Times that the ring evicted this sender.
        evictions,
        /// Packets that the queue refused for good.
        packets_refused,
        /// Times that the queue had no room for all, or no buffer.
        queue_full,
        /// Turns on which the next hop had not told its link address.
        unresolved,
        /// Packets handed over before T_PRj, their time by ST 2110-21 §6.
        packets_early,
        /// Packets handed over no more than 10 µs after T_PRj.
        packets_late_to_10us,
        /// More than that, no more than 100 µs.
        packets_late_to_100us,
        /// More than that, no more than 1 ms.
        packets_late_to_1ms,
        /// More than that, no more than 10 ms.
        packets_late_to_10ms,
        /// More than that, no more than 100 ms.
        packets_late_to_100ms,
        /// Later still.
        packets_late_beyond,
        /// Packets that came on top of C_MAX (ST 2110-21 §7.1): none, unless it is unpaced.
        packets_over_c_max,
        /// Most packets at once in the network compatibility model of a leg; no count.
        bunched_largest,
        /// C_MAX of the current source's packets; no count.
        c_max,
        /// 1 while its port sends each packet at its own time, 0 while the worker paces; no count.
        paced_by_port,
        /// Packets of a relayed flow that were made for this destination.
        packets_forwarded,
        /// Packets of a relayed flow that this destination did not take in time: the relay's window had passed.
        packets_dropped_backlog,
        /// Packets of a relayed flow whose next hop had not told its link address.
        packets_dropped_unresolved,
        /// Packets of a relayed flow that came while the port was detached.
        packets_dropped_detached,
        /// Packets of a relayed flow of another SSRC than the one that is followed, or of no place in its sequence: they
        /// have no place among numbers of the destination's own.
        packets_dropped_foreign,
        /// Packets of a relayed flow before the picture with which the destination began.
        packets_before_picture,
        /// Index of the grain that was sent last; no count.
        last_grain,
    }
}

counter_set! {
    /// What became of the packets of one leg of a sender.
    LegCounters {
        /// Packets made for the queue. It took them, or they are among `packets_taken_back`.
        packets,
        /// Packets that the queue had not taken at the lateness bound, or when its port was detached.
        packets_taken_back,
        /// Packets skipped at the lateness bound.
        packets_skipped_late,
        /// Packets that the queue refused for good.
        packets_refused,
        /// Times that the queue had no room for all, or no buffer.
        queue_full,
        /// Turns on which the next hop had not told its link address.
        unresolved,
    }
}

counter_set! {
    /// What one leg of a receiver or a relay brings (ST 2022-7), where there are several.
    HeardLegCounters {
        /// Packets of the stream that came by it.
        packets,
        /// Packets that did not come by it, or have not yet: the other may have brought them.
        packets_lost,
        /// How much later than the other it brought the beginning of the last picture, nanoseconds; no count.
        behind_ns,
    }
}

counter_set! {
    /// What became of the packets of one relay.
    RelayCounters {
        /// Packets that the queue delivered for this relay.
        packets,
        /// Octets of their UDP payloads.
        octets,
        /// Datagrams that are no RTP (version, lengths, padding that do not fit).
        rtp_malformed,
        /// RTCP, which is not relayed.
        rtcp,
        /// Datagrams from a source that the SDP's filter excludes.
        source_foreign,
        /// RTP of another SSRC while the stream's own is alive: only destinations that rewrite nothing get it.
        ssrc_foreign,
        /// Times that a new SSRC took the stream over.
        ssrc_changes,
        /// Packets that came twice.
        duplicates,
        /// Packets that came in another order than sent.
        reordered,
        /// Packets that never came, by sequence number, wherever they were lost.
        packets_lost,
        /// Packets far from all others in sequence: only destinations that rewrite nothing get them.
        doubtful,
        /// Breaks of the sequence that were taken for a sender's restart.
        sequence_restarts,
        /// Times that half of the kept packets were given back because the queue had no buffer left.
        backlogs_cut,
        /// Destinations that it has; no count.
        destinations,
        /// Packets that are kept for destinations that have not taken them; no count.
        packets_held,
    }
}

counter_set! {
    /// What a receive queue has seen.
    InputCounters {
        /// Packets that the queue handed out.
        packets,
        /// Octets of their UDP payloads.
        octets,
        /// Packets that belong to no receiver.
        packets_unsteered,
        /// Packets that the queue had no room for.
        packets_dropped,
        /// Packets cut by a receive buffer that was too small.
        packets_truncated,
        /// Turns on which no buffer was free.
        packets_without_buffer,
        /// Errors of the queue.
        errors,
        /// Octets that the kernel or the driver copied.
        octets_copied_by_kernel,
    }
}

counter_set! {
    /// What a transmit queue has done.
    OutputCounters {
        /// Packets that the queue took.
        packets,
        /// Octets of their UDP payloads.
        octets,
        /// Packets that were refused for good.
        errors,
        /// Times that the queue was full.
        would_block,
        /// Packets that were not made because the next hop had not told its link address; one may count often.
        unresolved,
        /// Octets of pictures that the transmit path itself copied.
        octets_copied_by_us,
        /// Octets that the kernel or the driver copied.
        octets_copied_by_kernel,
    }
}

counter_set! {
    /// One worker's own counters; those of transmission are sums over its outputs.
    WorkerCounters {
        /// Turns of the loop.
        turns,
        /// Turns that found nothing to do.
        turns_idle,
        /// Packets that belong to no receiver.
        packets_unsteered,
        /// Packets that the transmit queues took.
        tx_packets,
        /// Octets that the kernel copied from ring memory on transmit.
        tx_octets_copied_by_kernel,
        /// Octets of pictures that the transmit path itself copied.
        tx_octets_copied_by_us,
        /// Packets that the kernel refused for good.
        tx_errors,
        /// Times the kernel would have blocked.
        tx_would_block,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_padded_apart_and_name_their_fields() {
        let set = WorkerCounters::default();
        set.turns.add(2);
        set.turns.add(3);
        assert_eq!(set.values()[0], ("turns", 5));
        assert_eq!(align_of::<ReceiverCounters>(), 128);
    }
}
