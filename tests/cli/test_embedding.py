#!/usr/bin/env python3
"""What docs/embedding.md promises: installs into an empty directory, puts the document's blocks of
C together by the document's own rules, compiles each step as C11 and C++17, and runs it. Then the
examples, by their Makefile.

    steps      the blocks under "### N.": step N is all of them up to N; what the last one prints is
               in the document, and each earlier one prints the first lines of it
    quotes     a block after "From `FILE`:" stands in that file, letter by letter
    sections   the other blocks, behind the last step: compiled only

Usage: test_embedding.py SOURCE BUILD     prints TAP. CC and CXX choose compilers, SANITIZE what the
build was made with, EMULATOR what runs programs for another machine.
"""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SOURCE, BUILD = (os.path.abspath(path) for path in sys.argv[1:3])
CC = shlex.split(os.environ.get('CC', 'cc'))
CXX = shlex.split(os.environ.get('CXX', 'c++'))
SANITIZE = os.environ.get('SANITIZE', 'none')
EMULATOR = shlex.split(os.environ.get('EMULATOR', ''))
FLAGS = [] if SANITIZE == 'none' else ['-g', '-fsanitize=' + SANITIZE]
WARNINGS = ['-Wall', '-Wextra', '-Werror']
# C++ also warns of fields that an initialiser leaves out by intention.
CXX_WARNINGS = WARNINGS + ['-Wno-missing-field-initializers']
LAST_LINE = '    return 0;'
EXAMPLES = {
    'embed': None,  # as the last step
    'emulator_loop': 'the guest has read sector 1\n',
    'own_transport': 'ok - and works\n',
    'custom_disk': None,  # waits for a front-end
}

number = 0
failed = 0


def ok(name, good, said=''):
    global number, failed
    number += 1
    failed += not good
    print('%s %d - %s' % ('ok' if good else 'not ok', number, name))
    if not good:
        for line in said.splitlines():
            print('#   ' + line)
    sys.stdout.flush()
    return good


def run(command, **more):
    """Its status and all that it said."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120, **more)
    return done.returncode, done.stdout


# ---- the document ----

class Block:
    def __init__(self, line, step, quoted, lines):
        self.line, self.step, self.quoted, self.lines = line, step, quoted, lines


def read_document(path):
    """The blocks of C, and what the last step prints."""
    blocks, printed, step, quoted, inside = [], [], None, None, None
    with open(path, encoding='utf-8') as document:
        for line_number, line in enumerate(document, 1):
            line = line.rstrip('\n')
            if inside is not None:
                if line == '```':
                    blocks.append(Block(line_number - len(inside), step, quoted, inside))
                    inside = quoted = None
                else:
                    inside.append(line)
            elif line == '```c':
                inside = []
            elif line.startswith('#'):
                found = re.match(r'### (\d+)\. ', line)
                step = int(found[1]) if found else None
            elif found := re.match(r'From `(.*)`:$', line):
                quoted = found[1]
            elif printed and line.startswith('    ') or line == '    $ ./vmm':
                printed.append(line[4:])
    return blocks, printed[1:]


def assemble(blocks):
    """The program that the blocks make: `#include` lines to the top, indented blocks to the end of
    main, all others above it."""
    defines, includes, above, body = [], set(), [], []
    for block in blocks:
        rest = []
        for line in block.lines:
            if line.startswith('#include'):
                includes.add(line)
            elif line.startswith('#define'):
                defines.append(line)
            else:
                rest.append(line)
        text = '\n'.join(rest).strip('\n')
        if 'int main(void)\n{\n' in text:
            text, main = text.split('int main(void)\n{\n')
            body.append(main.split(LAST_LINE)[0].strip('\n'))
        elif text.startswith('    '):
            body.append(text)
            text = ''
        if text:
            above.append(text)
    ours = sorted(line for line in includes if '<tenon' in line)
    parts = ['\n'.join(defines + sorted(includes - set(ours))), '\n'.join(ours), *above,
             'int main(void)\n{\n' + '\n\n'.join(body) + '\n' + LAST_LINE + '\n}\n']
    return '\n\n'.join(parts)


# ---- the installed library ----

def install(stage):
    status, said = run(['make', 'install', 'BUILD=' + BUILD, 'DESTDIR=' + stage], cwd=SOURCE)
    if not ok('make_install_into_DESTDIR', status == 0, said):
        sys.exit('Bail out! nothing is installed')
    for folder, _, names in os.walk(stage):
        if 'tenon.pc' in names:
            os.environ['PKG_CONFIG_LIBDIR'] = folder
            os.environ['PKG_CONFIG_SYSROOT_DIR'] = stage
            os.environ['LD_LIBRARY_PATH'] = os.path.dirname(folder)


def package(name, what):
    return shlex.split(run(['pkg-config', what, name])[1])


def compiles(name, path, uses, extra=()):
    """As C11 into a program, as C++17 for the syntax. The program, or None."""
    program = path[:-2]
    flags = [*WARNINGS, *extra, *package(uses, '--cflags')]
    status, said = run([*CC, '-std=c11', *FLAGS, *flags, '-o', program, path,
                        *package(uses, '--libs')])
    ok(name + '_compiles_as_C11', status == 0, said)
    if shutil.which(CXX[0]):
        flags = [*CXX_WARNINGS, *extra, *package(uses, '--cflags')]
        cxx_status, said = run([*CXX, '-std=c++17', '-x', 'c++', *flags, '-fsyntax-only', path])
        ok(name + '_compiles_as_CXX17', cxx_status == 0, said)
    else:
        ok(name + '_compiles_as_CXX17 # SKIP there is no C++ compiler', True)
    return program if status == 0 else None


def check_steps(stage, blocks, printed):
    steps = sorted({block.step for block in blocks if block.step})
    ok('steps_are_numbered_from_1', steps == list(range(1, len(steps) + 1)) and steps, str(steps))
    for step in steps:
        so_far = [block for block in blocks if block.step and block.step <= step]
        path = os.path.join(stage, 'step_%d.c' % step)
        text = assemble(so_far)
        with open(path, 'w', encoding='utf-8') as out:
            out.write(text)
        uses = 'tenon-driver' if 'tenon_driver.h' in text else 'tenon'
        program = compiles('step_%d' % step, path, uses)
        if not program:
            continue
        # Only the last step gives back what it took.
        leaks = {} if step == steps[-1] else {'ASAN_OPTIONS': 'detect_leaks=0'}
        status, said = run([*EMULATOR, program], env={**os.environ, **leaks})
        lines = said.splitlines()
        good = status == 0 and lines and lines == printed[:len(lines)]
        if step == steps[-1]:
            good = good and lines == printed
        ok('step_%d_prints_what_the_document_says' % step, good,
           'status %d\n%s' % (status, said))


def check_rest(stage, blocks):
    steps = [block for block in blocks if block.step]
    path = os.path.join(stage, 'sections.c')
    with open(path, 'w', encoding='utf-8') as out:
        out.write(assemble(steps + [b for b in blocks if not b.step and not b.quoted]))
    compiles('the_other_blocks', path, 'tenon-driver', ['-Wno-unused-function'])
    with open(os.path.join(SOURCE, 'examples/embed.c'), encoding='utf-8') as example:
        code = example.read().split('*/\n', 1)[1]
    ok('examples_embed_is_the_last_step', code == assemble(steps),
       'below its first comment it has to be:\n' + assemble(steps))
    for block in blocks:
        if not block.quoted:
            continue
        with open(os.path.join(SOURCE, block.quoted), encoding='utf-8') as file:
            ok('line_%d_quotes_%s' % (block.line, block.quoted),
               '\n'.join(block.lines) + '\n' in file.read(), '\n'.join(block.lines))


def check_examples(stage, printed):
    there = {name[:-2] for name in os.listdir(os.path.join(SOURCE, 'examples'))
             if name.endswith('.c')}
    ok('every_example_is_known_here', there == set(EXAMPLES), str(there ^ set(EXAMPLES)))
    place = os.path.join(stage, 'examples')
    shutil.copytree(os.path.join(SOURCE, 'examples'), place)
    status, said = run(['make', '-C', place, 'CC=' + shlex.join(CC),
                        'CFLAGS=' + shlex.join(WARNINGS + FLAGS)])
    ok('examples_build_by_their_Makefile', status == 0, said)
    for name, last in {**EXAMPLES, 'embed': '\n'.join(printed) + '\n'}.items():
        if not last or status != 0:
            continue
        ended, said = run([*EMULATOR, os.path.join(place, name)])
        ok('example_%s_runs' % name, ended == 0 and last in said, 'status %d\n%s' % (ended, said))


def main():
    stage = tempfile.mkdtemp(prefix='tenon-embedding.', dir='/tmp')
    try:
        install(os.path.join(stage, 'root'))
        blocks, printed = read_document(os.path.join(SOURCE, 'docs/embedding.md'))
        check_steps(stage, blocks, printed)
        check_rest(stage, blocks)
        check_examples(stage, printed)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    print('1..%d' % number)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
