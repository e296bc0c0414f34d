/* Produces a flow: pictures whose lines each have one value.
 *
 *   cc -o produce produce.c $(pkg-config --cflags --libs flypack)
 *   ./produce /run/flypack/broker.sock gfx 250
 */
#define _POSIX_C_SOURCE 200809L
#include <flypack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Lines that are published at a time: readers work on the top of a picture while its bottom is being made. */
enum { STRIPE = 30 };

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s (%d)\n", what, flypack_last_error_text(), flypack_last_error());
    return EXIT_FAILURE;
}

/* 320 x 180 pixels of 10 bits, 50 frames a second. */
static flypack_format video_format(void)
{
    flypack_format format;
    memset(&format, 0, sizeof format);
    format.kind = FLYPACK_VIDEO;
    format.video.width = 320;
    format.video.height = 180;
    format.video.sampling = FLYPACK_YCBCR_422;
    format.video.bits = 10;
    format.video.rate_num = 50;
    format.video.rate_den = 1;
    return format;
}

/* Writes one picture in place, stripe by stripe. Every octet of a line is the low octet of index + line. */
static int write_picture(flypack_producer *producer, uint64_t grain, uint64_t index, const flypack_layout *layout)
{
    for (uint32_t first = 0; first < layout->slices; first += STRIPE) {
        uint32_t count = layout->slices - first < STRIPE ? layout->slices - first : STRIPE;
        uint8_t *lines;
        size_t octets;
        int status = flypack_producer_lines(producer, grain, first, count, &lines, &octets);
        if (status != FLYPACK_OK)
            return status;
        for (uint32_t line = 0; line < count; line++)
            memset(lines + (size_t)line * layout->slice_octets, (int)(index + first + line) & 255, layout->slice_octets);
        status = flypack_producer_publish(producer, grain, first + count);
        if (status != FLYPACK_OK)
            return status;
    }
    return FLYPACK_OK;
}

/* Waits until grain `index` is due, looking after the consumers meanwhile. */
static int wait_for(flypack_producer *producer, uint64_t index)
{
    for (;;) {
        uint64_t now;
        int status = flypack_producer_poll(producer);
        if (status == FLYPACK_OK)
            status = flypack_producer_index_now(producer, &now);
        if (status != FLYPACK_OK || now >= index)
            return status;
        struct timespec rest = { 0, 1000000 };
        nanosleep(&rest, NULL);
    }
}

static int produce(flypack_producer *producer, long grains)
{
    flypack_layout layout;
    uint64_t index;
    if (flypack_producer_layout(producer, &layout) != FLYPACK_OK
        || flypack_producer_index_now(producer, &index) != FLYPACK_OK)
        return fail("layout");
    for (; grains > 0; grains--) {
        uint64_t grain;
        index++;
        if (wait_for(producer, index) != FLYPACK_OK)
            return fail("wait");
        int status = flypack_producer_open(producer, index, NULL, &grain);
        if (status == FLYPACK_E_NO_SLOT)
            continue; /* every slot is held by readers: this grain is lost, the next one may find one */
        if (status != FLYPACK_OK)
            return fail("open");
        if (write_picture(producer, grain, index, &layout) != FLYPACK_OK) {
            int failed = fail("write");
            flypack_producer_cancel(producer, grain); /* readers see that nothing more comes of it */
            return failed;
        }
        if (flypack_producer_commit(producer, grain, NULL) != FLYPACK_OK)
            return fail("commit");
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s SOCKET FLOW GRAINS\n", argv[0]);
        return EXIT_FAILURE;
    }
    flypack_session *session;
    if (flypack_connect(argv[1], &session) != FLYPACK_OK)
        return fail("connect");
    flypack_format format = video_format();
    flypack_producer *producer;
    int status = flypack_produce(session, argv[2], &format, NULL, &producer);
    flypack_session_close(session); /* the producer has a connection of its own */
    if (status != FLYPACK_OK)
        return fail("produce");
    status = produce(producer, atol(argv[3]));
    flypack_producer_close(producer);
    return status;
}
