"""A peer on the link layer: sends the frames it is told to send, tells which ones it sees.

usage: peer.py INTERFACE
in:    COUNT HEX            one line per order: sends the frame COUNT times
out:   ready | DIRECTION CHECKSUM HEX | sent COUNT | error TEXT
       DIRECTION: in, out; CHECKSUM: whole, partial (the sender's kernel left it to a device)
A VLAN tag, which the kernel hands over apart from the frame, is put back to its place.
"""

import errno
import socket
import struct
import sys
import threading

ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 3, 263, 8, 4
CHECKSUM_NOT_READY, VLAN_VALID, VLAN_TPID_VALID = 1 << 3, 1 << 4, 1 << 6

writing = threading.Lock()


def say(text):
    with writing:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def listen(wire):
    while True:
        try:
            frame, extra, _, address = wire.recvmsg(65536, 256)
        except OSError as error:
            # Told once when the interface goes down; it may come back.
            if error.errno == errno.ENETDOWN:
                continue
            say(f"error {error}")
            return
        checksum = "whole"
        for level, kind, octets in extra:
            if (level, kind) != (SOL_PACKET, PACKET_AUXDATA):
                continue
            status, _, _, _, _, tag, protocol = struct.unpack_from("IIIHHHH", octets)
            if status & CHECKSUM_NOT_READY:
                checksum = "partial"
            if status & VLAN_VALID:
                protocol = protocol if status & VLAN_TPID_VALID else 0x8100
                frame = frame[:12] + struct.pack("!HH", protocol, tag) + frame[12:]
        direction = "out" if address[2] == PACKET_OUTGOING else "in"
        say(f"{direction} {checksum} {frame.hex()}")


def main():
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE if hasattr(socket, "SO_RCVBUFFORCE") else 33, 16 << 20)
    # Only from here on does it receive, and only from this interface.
    wire.bind((sys.argv[1], ETH_P_ALL))
    threading.Thread(target=listen, args=(wire,), daemon=True).start()
    say("ready")
    for line in sys.stdin:
        count, frame = line.split()
        frame = bytes.fromhex(frame)
        try:
            for _ in range(int(count)):
                wire.send(frame)
        except OSError as error:
            say(f"error {error}")
        else:
            say(f"sent {count}")


try:
    main()
except OSError as error:
    say(f"error {error}")
