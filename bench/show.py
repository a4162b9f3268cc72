"""show.py: what scripts/bench shows: the table, the ratios that are to be reached, the picture."""

# ---- what must be reached: ratios of medians ---------------------------------------------------


def median(results, case, name, figure='per_second'):
    return results.get(case, {}).get(name, {}).get(figure, {}).get('median')


def best_qsd(results, case, figure='per_second'):
    """The best mode by throughput."""
    rows = {n: r for n, r in results.get(case, {}).items() if n.startswith('QSD')}
    if not rows:
        return None
    name = max(rows, key=lambda n: rows[n]['per_second']['median'])
    return rows[name].get(figure, {}).get('median')


# case, what is compared, figure, "at least" or "at most", the bound
GOALS = [
    ('cached-read-qd32', 'tenon', 'QSD', 'per_second', 'least', 2.0),
    ('cached-read-qd32', 'tenon', 'QSD', 'cpu_us_per_request', 'most', 0.5),
    ('cached-read-qd128', 'tenon', 'QSD', 'per_second', 'least', 2.5),
    ('cached-read-qd128', 'tenon', 'QSD', 'cpu_us_per_request', 'most', 0.42),
    ('memory-read-qd128', 'tenon', 'fio', 'per_second', 'least', 1.5),
    ('cached-read-qd1', 'tenon', 'QSD', 'p50_us', 'most', 0.35),
    ('cached-read-qd1-poll', 'tenon', 'QSD', 'p50_us', 'most', 0.6),
    ('direct-read-qd32', 'tenon direct', 'fio', 'per_second', 'least', 0.97),
    ('direct-read-qd128', 'tenon direct', 'fio', 'per_second', 'least', 0.97),
    ('direct-read-qd32', 'tenon direct', 'QSD', 'cpu_us_per_request', 'most', 0.65),
    ('direct-read-qd1', 'tenon direct', 'QSD', 'per_second', 'least', 1.5),
    ('cached-seq-read-128k', 'tenon', 'QSD', 'per_second', 'least', 1.15),
    ('cached-seq-write-128k', 'tenon', 'QSD', 'per_second', 'least', 1.15),
    ('write-flush-64k', 'tenon', 'fio', 'per_second', 'least', 0.95),
    ('two-queues', 'tenon 2 workers', 'tenon', 'cpu_us_per_request', 'most', 1.1),
]


def goals(results, wanted):
    rows = []
    for case, name, other, figure, side, bound in wanted:
        ours = median(results, case, name, figure)
        theirs = (1 if other is None else best_qsd(results, case, figure) if other == 'QSD'
                  else median(results, case, other, figure))
        if ours is not None and theirs:
            ratio = ours / theirs
            reached = ratio >= bound if side == 'least' else ratio <= bound
            rows.append({'case': case, 'of': name, 'to': other, 'figure': figure, 'ratio': ratio,
                         'at': side, 'bound': bound, 'reached': reached})
    return rows


# ---- showing -----------------------------------------------------------------------------------


def spread(figure):
    return (figure['most'] - figure['least']) / figure['median'] * 100 if figure['median'] else 0


def has(rows, figure):
    return any(figure in row for row in rows.values())


def has_instructions(rows):
    return has(rows, 'instructions_per_request')


def print_case(name, rows):
    print(f'\n{name}')
    print(f'  {"":20} {"per second":>11} {"spread":>7} {"CPU us":>8} {"p50 us":>9} '
          f'{"kicks/1000":>10} {"irqs/1000":>10}'
          f'{" instructions" if has_instructions(rows) else ""}'
          f'{"   Gbit/s     lost" if has(rows, "gbit") else ""}')
    for backend, row in rows.items():
        def cell(figure, width, digits):
            found = row.get(figure)
            return f'{found["median"]:{width}.{digits}f}' if found else ' ' * width
        print(f'  {backend:20} {cell("per_second", 11, 0)} {spread(row["per_second"]):6.0f}% '
              f'{cell("cpu_us_per_request", 8, 2)} {cell("p50_us", 9, 1)} '
              f'{cell("kicks_per_1000", 10, 1)} {cell("interrupts_per_1000", 10, 1)}'
              + (cell('instructions_per_request', 13, 0) if has_instructions(rows) else '')
              + (cell('gbit', 9, 1) + cell('lost', 9, 0) if has(rows, 'gbit') else ''))


def print_goals(rows):
    words = {'per_second': 'throughput', 'cpu_us_per_request': 'CPU per request', 'p50_us': 'p50',
             'interrupts_per_1000': 'irqs per 1000', 'lost': 'lost', 'told_us': 'told, us'}
    print('\nratios of medians')
    for row in rows:
        print(f'  {row["case"]:22} {words[row["figure"]]:16} {row["of"]}'
              f'{" to " + row["to"] if row["to"] else ""}: '
              f'{row["ratio"]:5.2f}   at {row["at"]} {row["bound"]:4.2f}   '
              f'{"reached" if row["reached"] else "MISSED"}')


def escape(text):
    return text.replace('&', '&amp;').replace('<', '&lt;')


def write_svg(results, path):
    """Bars: throughput of each back-end, as a share of the best of its case."""
    height, bar, left, width = 40, 16, 190, 420
    parts = []
    for case, rows in results.items():
        best = max(r['per_second']['median'] for r in rows.values())
        parts.append(f'<text x="10" y="{height}" class="t">{escape(case)}</text>')
        height += 8
        for name, row in rows.items():
            value = row['per_second']['median']
            kind = 'a' if name.startswith('tenon') else 'b' if name.startswith('QSD') else 'c'
            parts.append(f'<text x="{left - 8}" y="{height + 12}" class="n">{escape(name)}</text>'
                         f'<rect x="{left}" y="{height}" width="{value / best * width:.1f}" '
                         f'height="{bar - 3}" class="{kind}"/>'
                         f'<text x="{left + value / best * width + 6:.1f}" y="{height + 11}" '
                         f'class="v">{value:,.0f}/s, {row["cpu_us_per_request"]["median"]:.2f} us'
                         '</text>')
            height += bar
        height += 26
    style = ('text{font:12px sans-serif}.t{font-weight:bold}.n{text-anchor:end}.v{fill:#555}'
             '.a{fill:#2a6f97}.b{fill:#c98b3c}.c{fill:#999}')
    with open(path, 'w') as out:
        out.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 190}" '
                  f'height="{height}"><style>{style}</style><rect width="100%" height="100%" '
                  f'fill="#fff"/><text x="10" y="18">Requests per second and processor time of '
                  f'each (tenon, qemu-storage-daemon, fio)</text>{"".join(parts)}</svg>\n')
