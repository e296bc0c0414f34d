/* Reads a flow and prints each grain's index, the sum of its octets, and how it was read.
 *
 *   cc -o consume consume.c $(pkg-config --cflags --libs flypack)
 *   ./consume /run/flypack/broker.sock gfx 250
 */
#include <flypack.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND INT64_C(1000000000)

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s (%d)\n", what, flypack_last_error_text(), flypack_last_error());
    return EXIT_FAILURE;
}

static uint64_t sum(const uint8_t *octets, size_t count)
{
    uint64_t total = 0;
    for (size_t at = 0; at < count; at++)
        total += octets[at];
    return total;
}

/* Sums a complete grain: in place where it is the gateway's, by way of `copy` where it is a pod's. */
static int read_grain(const flypack_lease *lease, const flypack_layout *layout, uint8_t *copy)
{
    const uint8_t *octets = copy;
    size_t count = layout->grain_octets;
    uint64_t index;
    const char *how = "in place";
    int status = flypack_lease_lines(lease, 0, layout->slices, &octets, &count);
    if (status == FLYPACK_E_COPY_ONLY) {
        how = "copied";
        status = flypack_lease_copy(lease, 0, layout->slices, copy, layout->grain_octets);
    }
    if (status == FLYPACK_OK)
        status = flypack_lease_index(lease, &index);
    if (status == FLYPACK_OK)
        printf("%llu %llu %s\n", (unsigned long long)index, (unsigned long long)sum(octets, count), how);
    return status;
}

/* The next grain, once it is whole. Reads nothing of one that its producer gave up. */
static int next_grain(flypack_consumer *consumer, const flypack_layout *layout, uint8_t *copy)
{
    flypack_lease *lease;
    flypack_state state;
    int status = flypack_consumer_next(consumer, 10 * SECOND, &lease);
    if (status != FLYPACK_OK)
        return status;
    status = flypack_consumer_wait(consumer, lease, FLYPACK_END, 10 * SECOND, &state);
    if (status == FLYPACK_OK && state.complete)
        status = read_grain(lease, layout, copy);
    flypack_lease_release(lease);
    return status;
}

/* Learns how grains lie in memory, and makes room for a copy of one. */
static int prepare(flypack_consumer *consumer, flypack_layout *layout, uint8_t **copy)
{
    int status = flypack_consumer_layout(consumer, layout);
    free(*copy);
    *copy = status == FLYPACK_OK ? malloc(layout->grain_octets) : NULL; /* without room nothing is copied to it */
    return status;
}

static int consume(flypack_consumer *consumer, flypack_session *session, long grains)
{
    flypack_layout layout;
    uint8_t *copy = NULL;
    int status = prepare(consumer, &layout, &copy);
    while (status == FLYPACK_OK && grains > 0) {
        status = next_grain(consumer, &layout, copy);
        if (status == FLYPACK_OK) {
            grains--;
        } else if (status == FLYPACK_E_EVICTED || status == FLYPACK_E_EPOCH_ENDED) {
            /* Too slow, the seat is lost; or the flow goes on in another ring, perhaps with another format. */
            status = flypack_consumer_rejoin(consumer, session);
            if (status == FLYPACK_OK)
                status = prepare(consumer, &layout, &copy);
        } else if (status == FLYPACK_E_TORN || status == FLYPACK_E_GONE) {
            status = FLYPACK_OK; /* this grain is lost, the next one is not */
        }
    }
    free(copy);
    return status == FLYPACK_OK ? EXIT_SUCCESS : fail("read");
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s SOCKET FLOW GRAINS\n", argv[0]);
        return EXIT_FAILURE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* each grain as it comes, also into a pipe */
    flypack_session *session;
    if (flypack_connect(argv[1], &session) != FLYPACK_OK)
        return fail("connect");
    flypack_consumer *consumer;
    int outcome;
    if (flypack_subscribe(session, argv[2], NULL, &consumer) != FLYPACK_OK) {
        outcome = fail("subscribe");
    } else {
        outcome = consume(consumer, session, atol(argv[3]));
        flypack_consumer_close(consumer);
    }
    flypack_session_close(session);
    return outcome;
}
