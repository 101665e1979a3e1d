export const HELP = `millrace bench: awaited single operations under load, with the other Redis clients of Node.js beside

  npm run bench -- [options]

What to measure
  --workload NAME...      groups (get, put, put-ttl, mixed, trace, targets, soak), sizes (100B, 1KiB, 16KiB), a group
                          with a size (get-1KiB) or one cell (get-1KiB@100); default: all but soak, codec,
                          postgres, lmdb (the stores beside their rivals), tier (the cache in this process),
                          resilience (what it costs to be ready for failures) and
                          observability (what metrics, objectives and slow log cost, and whether percentiles are right).
                          codec: compression and its threads, about three minutes, or by part (codec-1KiB, codec-grid,
                          codec-offload, codec-faults, codec-ratio, codec-header); --duration of 1800 s and more
                          measures every cell of its grid
  --peers NAME...         subjects; default: all whose packages are installed
  --rate OPS              open loop: operations begin by the clock at this rate and latency counts from the intended
                          start; without it N tasks each await one operation after the other
  --trace FILE            replays an Azure LLM inference trace or a Twitter cache trace; default: a seeded one
  -b, --backend URL       millrace on this store; a redis: or rediss: URL is used by all subjects; keys that the bench
                          wrote there (%mb:...) are deleted at its end
  -c, --config FILE       options of millrace's engine from a TOML file, the one of the other commands; a backend in it is
                          as if given by --backend, which wins. Workloads with engines of their own (codec, postgres,
                          lmdb, tier, resilience, observability) have options of their own
  --duration S            about how long it may take in all, in seconds; default: just under three minutes for everything.
                          Never shorter than clients need to start and warm up, and rounds of 20 ms (open loop: 200 ms);
                          lmdb and postgres take their time
  --quick                 shorter and fewer rounds: a look, not a measurement
  --check                 does the harness see a slow store? delays replies on purpose and reads the percentiles; goes
                          with neither --slo nor --baseline

What decides
  --slo "get.p99<1ms"     an operation, judged in the open loop at --rate (default 10000), or a cell
                          of this run ("put-100B@1000.ops>=500k"); p50, p99, p99.9, mean, max, ops, errors, cpu; may be
                          repeated; what was not measured is missed
  --baseline FILE         a report of an earlier run (--json); fails when millrace became slower than
  --max-regression 10%    this allows: in ops/s, at a rate in p50 and p99

Where it goes
  --json FILE  --html FILE  --junit FILE
  --list                  names of workloads and peers
  -h, --help

Redis: MILLRACE_REDIS_URL, else redis-server or valkey-server on the PATH (MILLRACE_REDIS_SERVER names another).
The bench writes to its store, so MILLRACE_BACKEND and MILLRACE_CONFIG, which may mean one in use, do not count here.
Exit: 0, 1 (a target, an objective or the baseline was missed, or an operation failed), 2 (called wrongly).
`;
