X


def test_the_numbers_of_every_picture_lie_beside_it(work_dirs, tmp_path):
    out = write_report(_read(work_dirs), tmp_path / 'report').parent
    cells = (out / 'cells.csv').read_text().splitlines()
    assert (
        cells[:2] == ['run,corruption,severity,AP50', 'dense,clean,0,0.8']
        and len(cells) == 1 + 3 * 5
    )
    margins = (out / 'margins.csv').read_text().splitlines()
    assert [line.split(',')[:3] for line in margins[1:]] == [
        ['adasap', 'dense', name] for name in ('snow', 'fog', 'mean')
    ]
    assert float(margins[1].split(',')[3]) == pytest.approx(-0.1) and margins[1].endswith(',,')
    assert len((out / 'per_class.csv').read_text().splitlines()) == 1 + 2 * 2


def test_margins_are_taken_against_the_reference(tmp_path):
    for name in 'abc':
        save_hits(
            tmp_path / name,
            name,
            {('fog', 1): [True] * 8 + [False] * 2, ('snow', 1): [True] * 5 + [False] * 5},
        )
    runs = read_runs([tmp_path / name for name in 'abc'])
    text = write_report(runs, tmp_path / 'out', reference='b').read_text()
    assert 'Margin over b' in text and 'paired bootstrap' in text
    rows = (tmp_path / 'out' / 'margins.csv').read_text().splitlines()[1:]
    assert {tuple(row.split(',')[:2]) for row in rows} == {('a', 'b'), ('c', 'b')}
    with pytest.raises(ValueError, match="no run is called 'B'.*among a, b, c"):
        write_report(runs, tmp_path / 'other', reference='B')
    assert not (tmp_path / 'other').exists()
