"""What `record.py` renders: small templates, by what they are about. The constructs are those that chat templates of published models use, and their kin."""

# Given to every template beside the messages, as `apply_chat_template(..., **ARGUMENTS)` would.
ARGUMENTS = {
    "text": "Hello, W\u00f6rld \u4f60\u597d \U0001f642",
    "padded": "  two  words \n",
    "lines": "first\nsecond\r\n\n third",
    "quotes": "it's \"so\" \\ <b>&\n\t\u0001\u007f\u00a0\u200b\u2028",
    "number": 3,
    "negative": -7,
    "zero": 0,
    "fraction": 0.1,
    "whole": 2.0,
    "huge": 1e20,
    "tiny": 0.00001,
    "many": 123456789012345678,
    "nothing": None,
    "yes": True,
    "no": False,
    "empty": "",
    "list": [1, 2.5, "a", None, True, [3], {"k": "v"}],
    "numbers": [3, 1, 2],
    "words": ["pear", "Apple", "fig"],
    "nobody": [],
    "map": {"b": 1, "a": [1, 2], "c": {"d": None, "e": 1.0}},
    "bare": {},
    "people": [
        {"name": "Ann", "age": 30, "tags": ["x", "y"]},
        {"name": "bob", "age": 25},
        {"name": "Cid", "age": 30, "tags": []},
    ],
    "tool": {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells the weather, in \u00b0C.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Where"},
                    "days": {"type": ["integer", "null"], "minimum": 1, "default": 1.5},
                },
                "required": ["city"],
            },
        },
    },
}

MESSAGES = [
    {"role": "system", "content": " Be brief. "},
    {"role": "user", "content": "Say \"hi\" & <wave>\nnow"},
    {"role": "assistant", "content": "<think>\nwell\n</think>\n\nhi"},
    {"role": "user", "content": "\u4f60\u597d \U0001f642"},
]

# Each is put between `{{` and `}}`.
EXPRESSIONS = {
    "printing": """
        nothing | yes | no
        none
        true
        zero
        [none, true, false]
        negative
        fraction
        whole
        huge
        tiny
        many
        many * many
        1e16
        1e15
        123456.789e3
        0.0001
        1e-4 / 3
        1 / 3
        2 / 3 * 100
        7 / 2
        7 // 2
        -7 // 2
        -7 % 3
        7.5 // 2
        7 % 2.5
        2 ** 10
        2 ** 0.5
        2 ** -1
        10 / 5
        1_000
        0x1f
        0b101
        0o17
        3 + 2.0
        true + 1
        -number
        +number
        list
        map
        people
        tool
        words
        nobody
        bare
        (1, 2)
        (1,)
        ()
        ('a', none)
        {'a': 1, 2: 'b', none: true, 1.5: (1,)}
        [quotes]
        [text]
        ['it\\'s', "a \\"b\\"", 'both \\' and "']
        ['\\x00\\x1f\\x7f\\u00a0\\u00ad\\u200b\\ue000\\ufeff\\U0001f642']
        [1e20, 1e-5, 0.1, 1.0, -0.0]
        [[1, [2]], {'a': {'b': [none]}}]
        messages[1]
        messages
        unknown
        [unknown]
        'a' 'b'
        'tab\\tnew\\nbell\\a\\x41\\u00e9\\101'
        "\\\\ \\' \\" \\/ \\q"
        bos_token ~ eos_token
        range(3)
        range(5) | list
        namespace(a=1).a
        dict(a=1, b='x')
        dict({'a': 1}, b=2)
        dict([('a', 1)])
        'x' ~ huge ~ tiny ~ none ~ true ~ 1.0 ~ [1, 'a'] ~ (1,)
        ['x', 1e20, 1.5, none] | join(' ')
        huge | string ~ '!'
        tiny | string
        [1.5] | string
        messages[0] | string
        lipsum is defined
        cycler is defined
        joiner is defined
        1e300 * 1e10
        -1e300 * 1e10
        [1e300 * 1e10]
    """,
    "operators": """
        1 < 2 < 3
        3 > 2 > 2
        1 == 1.0
        1 == true
        '1' == 1
        none == false
        'a' < 'b'
        'B' < 'a'
        [1, 2] < [1, 3]
        [1, 2] == [1, 2]
        (1, 2) == (1, 2)
        (1, 2) == [1, 2]
        {'a': 1} == {'a': 1.0}
        1 < 'a'
        none < 1
        'a' in text
        'ell' in text
        'k' in map
        'a' in map
        1 in map
        2.5 in list
        1 not in numbers
        none in list
        1 in 'abc'
        'a' in none
        'a' in unknown
        'a' in ()
        not none
        not ''
        not 0.0
        not ()
        not unknown
        none or 'x'
        '' or 0 or []
        1 and 'x'
        nothing and nothing.x
        yes and not no
        'a' if yes
        'a' if no
        'a' if no else 'b'
        ('a' if no) is undefined
        'ab' * 3
        3 * 'ab'
        '-' * 0
        '-' * -1
        [1] * 3
        [1] + [2]
        (1,) + (2,)
        [1] + (2,)
        'a' + 'b'
        'a' + 1
        'a' + none
        'a' + unknown
        1 + none
        unknown + 1
        unknown ~ 'a'
        'a' ~ 1 ~ none
        '%s is %d, %05.2f, %x, %r, %%' % ('a', 3, 2.5, 255, 'b')
        '%s' % 'a'
        '%s' % number
        '%s and %s' % ('a',)
        '%(a)s' % {'a': 1}
        '%5s|%-5s|%+d' % ('a', 'b', 3)
        '%.3f' % fraction
        '%s' % none
        '%s' % [1, 'a']
        '%s' % tiny
        1 / 0
        1 // 0
        1 % 0
        2 * 3 + 4 * 5
        2 + 3 ~ 4
        -2 ** 2
        2 ** 3 ** 2
        10 - 3 - 2
        not 1 == 2
        1 if 0 else 2 if 0 else 3
        number is odd and negative is odd
        not number is even
        number is not even
        1 is 1
        'a' is in ['a']
        2 is eq 2
        2 is ge(1)
        2 is divisibleby 2
        5 is divisibleby(2)
    """,
    "indexing": """
        text[0]
        text[-1]
        text[7]
        text[100]
        text[1:4]
        text[:-3]
        text[::2]
        text[::-1]
        text[-3:]
        text[100:]
        text[2:1]
        list[0]
        list[-1]
        list[-1].k
        list[99]
        list[1:3]
        list[:2]
        list[::-1]
        list[::2]
        list[-2:]
        numbers[1:][0]
        numbers[::-1][0]
        numbers.0
        (1, 2, 3)[1:]
        (1, 2, 3)[-1]
        map.a
        map['a']
        map.a[0]
        map.zzz
        map['zzz']
        map[0]
        map.c.d
        map.c.d.e
        map.c.zzz.y
        nothing.x
        nothing['x']
        unknown.x
        unknown[0]
        unknown.x is defined
        number.x
        number[0]
        text.x
        text['x']
        list.x
        list['x']
        messages[0].role
        messages[-1]['content']
        messages[99].role
        messages[99]
        messages[1:] | length
        messages[1:-1] | length
        messages[::-1][0].role
        messages['role']
        map[unknown]
        list[unknown]
        text.upper is defined
        map.items is defined
        map.get is defined
        map.zzz is defined
        {'items': [1]}['items']
        {'keys': 1, 'x': 2}.keys() | list
        {'get': 1}.get('get')
        {'values': 1}.values() | list
        {'items': 1}.items() | list
        list[true]
        list[1.0]
        'abc'[1:][0]
        range(10)[2]
        range(10)[2:4] | list
        range(10)[-1]
    """,
    "filters": """
        negative | abs
        whole | abs
        'a' | abs
        map | attr('a')
        text | attr('upper') is defined
        numbers | batch(2) | list
        numbers | batch(2, 'x') | list
        'hELLO wORLD' | capitalize
        'ab' | center(6)
        'ab' | center
        unknown | default
        unknown | default('x')
        unknown | default(1)
        nothing | default('x')
        nothing | default('x', true)
        '' | default('x', boolean=true)
        '' | d('x', true)
        false | default('x')
        map.zzz | default('x')
        map.zzz.y | default('x')
        map | dictsort
        {'b': 1, 'A': 2, 'c': 0} | dictsort
        {'b': 1, 'A': 2, 'c': 0} | dictsort(true)
        {'b': 1, 'A': 2, 'c': 0} | dictsort(false, 'value')
        {'b': 1, 'A': 2, 'c': 0} | dictsort(by='value', reverse=true)
        '<a href="x">\\'&' | escape
        '<a>' | e
        '<a>' | forceescape
        1 | escape
        1000 | filesizeformat
        1234567 | filesizeformat
        1234567 | filesizeformat(true)
        1 | filesizeformat
        numbers | first
        nobody | first
        text | first
        map | first
        '3.5' | float
        'x' | float
        'x' | float(1.5)
        3 | float
        none | float
        '%s, %s!' | format('a', 1)
        '%(x)s' | format(x=3)
        '%.2f|%5d|%-5s|%05d' | format(3.14159, 42, 'ab', 7)
        people | groupby('age') | list
        people | groupby('age') | map(attribute='grouper') | list
        people | groupby('tags', default='none') | list
        lines | indent
        lines | indent(2)
        lines | indent(2, true)
        lines | indent(2, true, true)
        lines | indent(width='> ')
        lines | indent(1, first=true)
        '42' | int
        '42.9' | int
        'x' | int
        'x' | int(7)
        '0x1f' | int(0, 16)
        '101' | int(base=2)
        ' 12 ' | int
        3.99 | int
        -3.99 | int
        true | int
        none | int
        none | int(5)
        huge | int
        map | items | list
        unknown | items | list
        'ab' | items | list
        words | join
        words | join(', ')
        list | join('|')
        people | join(', ', attribute='name')
        nobody | join(', ')
        'abc' | join('-')
        map | join(',')
        none | join(',')
        unknown | join(',')
        numbers | last
        nobody | last
        text | last
        text | length
        list | length
        map | length
        range(4) | length
        '' | count
        none | length
        unknown | length
        3 | length
        text | list
        map | list
        nobody | list
        none | list
        unknown | list
        (1, 2) | list
        text | lower
        none | lower
        3 | upper
        '\u00df\u0130' | lower ~ '\u00df' | upper
        people | map(attribute='name') | list
        people | map(attribute='tags.0') | list
        people | map(attribute='tags', default='none') | list
        people | map('length') | list
        words | map('upper') | join(' ')
        words | map('replace', 'p', 'b') | list
        words | map('trim') | map('length') | list
        people | map(attribute='tags') | list
        numbers | map('string') | list
        numbers | max
        words | max
        words | max(true)
        people | max(attribute='age')
        nobody | max
        numbers | min
        words | min
        words | min(case_sensitive=true)
        map | pprint
        'a\\n' | pprint
        [1.5, none] | pprint
        numbers | random in numbers
        numbers | reject('odd') | list
        list | reject('none') | list
        people | rejectattr('tags') | map(attribute='name') | list
        people | rejectattr('age', '==', 30) | map(attribute='name') | list
        text | replace('l', 'L')
        text | replace('l', 'L', 1)
        text | replace('', '-')
        'a.b' | replace('.', '\\n')
        1.5 | replace('.', ',')
        text | reverse
        numbers | reverse | list
        (1, 2) | reverse | list
        2.5 | round
        3.5 | round
        3.14159 | round(2)
        3.14159 | round(2, 'floor')
        3.11 | round(1, 'ceil')
        3.7 | round | int
        1234.5 | round(-2)
        7 | round
        '<a>' | safe
        numbers | select('odd') | list
        list | select('string') | list
        list | select | list
        list | select('defined') | list
        numbers | select('gt', 1) | list
        numbers | select('in', [1, 2]) | list
        people | selectattr('tags') | map(attribute='name') | list
        people | selectattr('tags', 'defined') | map(attribute='name') | list
        people | selectattr('age', 'equalto', 25) | map(attribute='name') | list
        people | selectattr('age', '>', 25) | list | length
        people | selectattr('name', 'in', ['Ann', 'bob']) | map(attribute='age') | sum
        messages | selectattr('role', 'equalto', 'user') | list | length
        messages | selectattr('role', 'eq', 'user') | map(attribute='content') | first
        (messages | selectattr('role', '==', 'user') | list)[-1].content
        (messages | selectattr('role', 'ne', 'user')) | map(attribute='role') | list
        messages | selectattr('zzz', 'none') | list
        range(7) | slice(3) | list
        range(7) | slice(3, 'x') | list
        words | sort
        words | sort(case_sensitive=true)
        numbers | sort(reverse=true)
        people | sort(attribute='age') | map(attribute='name') | list
        people | sort(attribute='age,name') | map(attribute='name') | list
        list | sort
        text | string
        3 | string
        none | string
        unknown | string
        '<p>a  <b>b</b>\\n c</p>&amp;' | striptags
        numbers | sum
        nobody | sum
        people | sum(attribute='age')
        numbers | sum(start=10)
        [[1], [2]] | sum(start=[])
        'hello wORLD it\\'s o\\'neil-smith (x)' | title
        padded | trim
        'xxaxx' | trim('x')
        none | trim
        3 | trim
        unknown | trim
        '\u00a0a\u2003\u200b' | trim
        'a long text of words' | truncate(10)
        'a long text of words' | truncate(10, true)
        'a long text of words' | truncate(10, true, '')
        'a long text of words' | truncate(9, false, '...', 0)
        'short' | truncate(10)
        words | unique | list
        ['a', 'A', 'b'] | unique | list
        ['a', 'A', 'b'] | unique(true) | list
        people | unique(attribute='age') | map(attribute='name') | list
        text | upper
        'a b&c/\u00e9?=' | urlencode
        {'a': 1, 'b c': 'd&'} | urlencode
        [('a', 1)] | urlencode
        'see http://a.b/c' | urlize
        text | wordcount
        'a bb ccc dddd' | wordwrap(5)
        'a bbbbbbbbbb' | wordwrap(4)
        'a-b c' | wordwrap(3, false)
        {'class': 'x', 'id': none} | xmlattr
        'ab' | zzz
        'a b' | split
        'a,b' | split(',')
        'a' | bool
        [1] | zip([2]) | list
        numbers | chain([4]) | list
        lines | lines
        text | length | string | length
        words | map('first') | map('upper') | join
        words | tojson | length
        '' | first
        map.values() | list | last
        map.keys() | sort | join
    """,
    "tests": """
        true is boolean
        1 is boolean
        range is callable
        text is callable
        raise_exception is callable
        unknown is defined
        text is defined
        nothing is defined
        map.zzz is defined
        map.a is defined
        4 is divisibleby 2
        4 is divisibleby 0
        1 is eq 1
        1 is equalto 1.0
        '<a>' is escaped
        '<a>' | safe is escaped
        4 is even
        4.0 is even
        true is odd
        'a' is even
        false is false
        0 is false
        none is false
        'trim' is filter
        'zzz' is filter
        1.0 is float
        1 is float
        2 is ge 2
        2 is gt 2
        2 is greaterthan 1
        1 is in [1]
        'a' is in 'abc'
        1 is integer
        1.0 is integer
        true is integer
        none is iterable
        nothing is iterable
        unknown is iterable
        '' is iterable
        1 is iterable
        true is iterable
        [] is iterable
        {} is iterable
        range(2) is iterable
        messages is iterable
        messages[0].content is iterable
        map.zzz is iterable
        1 is le 1
        1 is lt 1
        1 is lessthan 2
        'ab' is lower
        'aB' is lower
        '1' is lower
        1 is lower
        {} is mapping
        [] is mapping
        messages[0] is mapping
        none is mapping
        namespace() is mapping
        1 is ne 2
        none is none
        nothing is none
        unknown is none
        '' is none
        1 is number
        1.5 is number
        true is number
        '1' is number
        none is number
        1 is odd
        none is sameas none
        1 is sameas 1
        true is sameas true
        1 is sameas true
        1 is sameas 1.0
        [] is sequence
        () is sequence
        '' is sequence
        'abc' is sequence
        {} is sequence
        none is sequence
        unknown is sequence
        1 is sequence
        range(2) is sequence
        messages is sequence
        map.items() is sequence
        'a' is string
        1 is string
        none is string
        text is string
        [] is string
        messages[0].content is string
        'even' is test
        'zzz' is test
        true is true
        1 is true
        unknown is undefined
        text is undefined
        'A' is upper
        'Ab' is upper
        text is not none
        text is not defined
        1 is zzz
        text is startingwith 'H'
        messages[0].content is string and messages[0].content is iterable and messages[0].content is not mapping
    """,
    "strings": """
        'hELLO'.capitalize()
        'Stra\u00dfE'.casefold()
        'ab'.center(6)
        'ab'.center(7, '*')
        text.count('l')
        'aaaa'.count('aa')
        'aaaa'.count('')
        'abcabc'.count('b', 2)
        text.encode('utf-8')
        text.endswith('x')
        'abc'.endswith('bc')
        'abc'.endswith(('x', 'c'))
        'abc'.endswith('b', 0, 2)
        'a\\tb'.expandtabs(4)
        text.find('l')
        text.find('\u4f60')
        text.find('zzz')
        'abcabc'.find('b', 2)
        'abcabc'.find('c', 0, 2)
        '{} and {}'.format('a', 1)
        '{0} {1} {0}'.format('a', 1.0)
        '{x}'.format(x=none)
        '{:>5}|{:05.1f}|{:,}'.format('a', 2.345, 1234567)
        '{{}}'.format()
        '{!r}'.format('a')
        '{a[0]}'.format(a=[1])
        '{a}'.format_map({'a': 1})
        text.index('l')
        text.index('zzz')
        'abc1'.isalnum()
        'abc '.isalnum()
        'abc'.isalpha()
        'abc'.isascii()
        text.isascii()
        '12'.isdecimal()
        '12\u00b2'.isdigit()
        '12\u00bd'.isdigit()
        '\u00bd'.isnumeric()
        ''.isdigit()
        'a1'.isidentifier()
        'ab1'.islower()
        '12'.islower()
        'a\\n'.isprintable()
        ' \\n'.isspace()
        ''.isspace()
        '\\x1c'.isspace()
        'Hello World'.istitle()
        'AB1'.isupper()
        ', '.join(words)
        ','.join('abc')
        ','.join([1])
        ','.join(map)
        'ab'.ljust(5) ~ '|'
        'ab'.ljust(5, '.')
        text.lower()
        padded.lstrip() ~ '|'
        'xxa'.lstrip('x')
        'a-b-c'.partition('-')
        'abc'.partition('-')
        'abc'.removeprefix('a')
        'abc'.removeprefix('x')
        'abc'.removesuffix('c')
        text.replace('l', 'L')
        text.replace('l', 'L', 1)
        text.replace('', '-')
        text.replace('l', 'L', count=1)
        'abcabc'.rfind('b')
        'abcabc'.rfind('z')
        'abcabc'.rindex('b')
        'ab'.rjust(5)
        'a-b-c'.rpartition('-')
        'abc'.rpartition('-')
        'a b c'.rsplit(' ', 1)
        'a b c'.rsplit()
        'a,b,c'.rsplit(',', maxsplit=1)
        padded.rstrip() ~ '|'
        'axx'.rstrip('x')
        'a b  c'.split()
        'a b  c'.split(' ')
        'a,b,c'.split(',', 1)
        'a,b,c'.split(',', maxsplit=1)
        'a,b,c'.split(sep=',')
        ' a b '.split()
        ' a b c '.split(none, 1)
        ''.split()
        ''.split(',')
        'abc'.split('')
        'a</think>b'.split('</think>')[-1]
        messages[2].content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n')
        lines.splitlines()
        lines.splitlines(true)
        'a\\x0bb\\x85c\\u2028d'.splitlines()
        ''.splitlines()
        'a\\n'.splitlines()
        text.startswith('Hell')
        'abc'.startswith(('x', 'a'))
        'abc'.startswith('b', 1)
        padded.strip() ~ '|'
        'xyaxy'.strip('xy')
        'a'.strip(none)
        '\\x1ca\\x1f'.strip()
        '\u200ba\u00a0'.strip()
        'aBc'.swapcase()
        'hello wORLD it\\'s'.title()
        'abc'.translate({97: 'x'})
        text.upper()
        '\u00df'.upper()
        '\u01c6'.title()
        '5'.zfill(3)
        '-5'.zfill(4)
        'a'.zzz()
        3.zzz()
        'ab'.upper().lower().strip().title()
        text.startswith(none)
        '\u03a3\u03a3'.lower()
        'a'.join(['x', 'y', 'z'])
        'a' in 'abc'.upper().lower()
        'abc'.__len__()
        number.bit_length()
        fraction.is_integer()
        whole.is_integer()
    """,
    "lists and dicts": """
        numbers.count(1)
        numbers.index(1)
        numbers.index(9)
        numbers.append(1)
        numbers.pop()
        numbers.copy()
        numbers.reverse()
        numbers.extend([1])
        numbers.insert(0, 1)
        numbers.sort()
        numbers.clear()
        (1, 2, 1).count(1)
        (1, 2).index(2)
        map.get('a')
        map.get('zzz')
        map.get('zzz', 'x')
        map.get('c', {}).get('e', 0)
        map.get('zzz', {}).get('e')
        map.get('zzz') is none
        map.items()
        map.items() | list
        map.items() | length
        map.keys()
        map.keys() | list
        map.keys() | length
        map.values()
        map.values() | list
        map.copy()
        map.pop('a')
        map.update({'x': 1})
        map.setdefault('x', 1)
        map.clear()
        dict.fromkeys(['a', 'b'], 0)
        dict.fromkeys(['a'])
        map.zzz()
        'a' in map.keys()
        'a' in map.values()
        1 in map.values()
        ('b', 1) in map.items()
        (map.items() | list)[0][1]
        map.items() | first
        map | list | first
        map.items() | map('first') | list
        map.items() | sort(attribute='0') | list
        map.items() is iterable
        map.keys() is sequence
        range(1, 10, 3) | list
        range(5, 0, -2) | list
        range(0) | list
        [1, 2, 3] | map('string') | join
        messages[0].get('role')
        messages[0].get('name', 'nobody')
        messages[0].keys() | list
        messages[0].items() | list
        messages[0].get('tool_calls') is none
        'name' in messages[0]
        messages[0].name is defined
        messages[0]['name'] is defined
        messages[0].copy().role
    """,
    "tojson": """
        nothing | tojson
        yes | tojson
        number | tojson
        negative | tojson
        fraction | tojson
        whole | tojson
        huge | tojson
        tiny | tojson
        1e16 | tojson
        1e15 | tojson
        123456789.5 | tojson
        many | tojson
        many * many | tojson
        text | tojson
        quotes | tojson
        text | tojson(ensure_ascii=true)
        quotes | tojson(ensure_ascii=true)
        '\U0001f642\u00e9\\x7f' | tojson(ensure_ascii=True)
        list | tojson
        map | tojson
        tool | tojson
        tool | tojson(indent=2)
        tool | tojson(indent=4)
        tool | tojson(4)
        tool | tojson(false, 2)
        tool | tojson(indent=0)
        tool | tojson(indent='\\t')
        tool | tojson(indent=none)
        list | tojson(indent=1)
        tool | tojson(sort_keys=true)
        map | tojson(sort_keys=true, indent=2)
        map | tojson(separators=(',', ':'))
        map | tojson(separators=[',', ': '])
        map | tojson(separators=(', ', '='), indent=1)
        map | tojson(indent=2, separators=(',', ':'))
        map | tojson(zzz=1)
        map | tojson(indent=-1)
        map | tojson(indent=true)
        bare | tojson(indent=2)
        nobody | tojson(indent=2)
        [[], {}] | tojson(indent=2)
        [] | tojson
        (1, 'a') | tojson
        {1: 'a', none: 1, true: 2, 1.5: 3} | tojson
        {'a': {2: 1}} | tojson(sort_keys=true)
        {(1, 2): 1} | tojson
        unknown | tojson
        [unknown] | tojson
        range(3) | tojson
        range(3) | list | tojson
        map.items() | tojson
        map.items() | list | tojson
        map.keys() | tojson
        namespace(a=1) | tojson
        messages | tojson
        messages[1] | tojson(indent=2)
        '</script>\u2028' | tojson
        people | map(attribute='name') | tojson
        people | selectattr('tags') | tojson
        people | map(attribute='name') | list | tojson
        map.c | tojson ~ '!'
        raise_exception | tojson
        'a' | safe | tojson
        1e300 * 1e10 | tojson
        [1e300 * 1e10, -1e300 * 1e10] | tojson
        (1e300 * 1e10) | tojson
        ((1e300 * 1e10) - (1e300 * 1e10)) | tojson
    """,
}

# Whole templates.
TEMPLATES = {
    "statements": [
        "{% for m in messages %}{{ loop.index }}/{{ loop.length }}{{ ' ' if not loop.last }}{% endfor %}",
        "{% for m in messages %}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.index0 }}{{ loop.first }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}",
        "{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else '-' }}>{{ loop.nextitem.role if loop.nextitem is defined else '-' }} {% endfor %}",
        "{% for m in messages %}{{ loop.cycle('a', 'b', 'c') }}{% endfor %}",
        "{% for n in [1, 1, 2, 2, 1] %}{{ loop.changed(n) }} {% endfor %}",
        "{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ loop.length }}{{ loop.last }}{% endfor %}",
        "{% for m in nobody %}{{ m }}{% else %}none{% endfor %}",
        "{% for m in unknown %}{{ m }}{% else %}none{% endfor %}",
        "{% for m in nothing %}{{ m }}{% endfor %}",
        "{% for m in number %}{{ m }}{% endfor %}",
        "{% for c in 'abc' %}{{ c }},{% endfor %}",
        "{% for k in map %}{{ k }}{% endfor %}",
        "{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %}",
        "{% for k, v in map | items %}{{ k }}={{ v }};{% endfor %}",
        "{% for k, v in map | dictsort %}{{ k }}={{ v }};{% endfor %}",
        "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
        "{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}",
        "{% for n in [1, [2, [3]]] recursive %}{% if n is iterable %}[{{ loop(n) }}]{% else %}{{ n }}@{{ loop.depth }}{% endif %}{% endfor %}",
        "{% for n in range(5) %}{% if n == 3 %}{% break %}{% endif %}{% if n == 1 %}{% continue %}{% endif %}{{ n }}{% endfor %}",
        "{% for n in range(2) %}{% for m in range(3) %}{% if m == 1 %}{% break %}{% endif %}{{ n }}{{ m }} {% endfor %}{% endfor %}",
        "{% break %}",
        "{% for n in range(3) %}{% set x = n %}{% endfor %}{{ x is defined }}",
        "{% set x = 1 %}{% for n in range(3) %}{% set x = n %}{% endfor %}{{ x }}",
        "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}",
        "{% set ns = namespace(x=0, y='a') %}{% for n in range(3) %}{% set ns.x = ns.x + n %}{% set ns.z = n %}{% endfor %}{{ ns.x }}{{ ns.y }}{{ ns.z }}",
        "{% set ns = namespace() %}{{ ns.x is defined }}{{ ns.x }}",
        "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}",
        "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
        "{% set a, (b, c) = [1, (2, 3)] %}{{ a }}{{ b }}{{ c }}",
        "{% set ns = namespace(a=0) %}{% set ns.a, b = 1, 2 %}{{ ns.a }}{{ b }}",
        "{% set x %} a {{ number }}{% endset %}[{{ x }}]{{ x | length }}",
        "{% set x | upper | trim %} a {% endset %}[{{ x }}]",
        "{% set ns = namespace(x='') %}{% set ns.x %}b{% endset %}{{ ns.x }}",
        "{% set map.x = 1 %}",
        "{% set x = 1, 2 %}{{ x }}",
        "{% with %}{% set x = 1 %}{{ x }}{% endwith %}{{ x is defined }}",
        "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}",
        "{% with a, b = 1, 2 %}{{ a + b }}{% endwith %}",
        "{% macro m(a, b='x') %}<{{ a }}{{ b }}>{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(b=3, a=4) }}{{ m() }}",
        "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}",
        "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
        "{% macro m() %}{{ caller() }}!{% endmacro %}{% call m() %}hi{% endcall %}",
        "{% macro m() %}{{ caller(1, 2) }}!{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}",
        "{% macro m() %}{{ number }}{{ x is defined }}{% endmacro %}{% set x = 1 %}{{ m() }}",
        "{% macro m() %} a {% endmacro %}{{ m() | trim }}{{ m() | length }}{{ m() ~ '!' }}{{ m() + '!' }}",
        "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
        "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}",
        "{% macro m(a) %}{% endmacro %}{{ m(z=2) }}",
        "{% macro m(a, b=1) %}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m is callable }}",
        "{% macro m(x) -%} {{ x }} {%- endmacro %}[{{ m('a') }}]",
        "{% filter upper %}a{{ text }}{% endfilter %}",
        "{% filter replace('a', 'b') | trim %} aaa {% endfilter %}",
        "{% if no %}a{% elif yes %}b{% else %}c{% endif %}",
        "{% if nobody %}a{% elif unknown %}b{% else %}c{% endif %}",
        "{% if not messages[99] %}a{% endif %}",
        "{% raw %}{{ x }}{% y %}{% endraw %}",
        "{% raw -%} {{ x }} {%- endraw %}|",
        "{# {{ x }} #}a{#- b -#} c",
        "{% autoescape true %}{{ '<a>' }}{% endautoescape %}{{ '<a>' }}",
        "{% block a %}b{% endblock %}",
        "{% block a %}b{% endblock %}{{ self.a() }}",
        "{% do numbers %}",
        "{% include 'x' %}",
        "{% import 'x' as x %}",
        "{% extends 'x' %}",
        "{% zzz %}",
        "{% debug %}",
        "{% generation %}a{% endgeneration %}b",
        "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
        "{% for m in messages %}\n  {%- if m.role == 'assistant' %}\n    {% generation -%}\n    {{ m.content }}\n    {%- endgeneration %}\n  {% endif %}\n{% endfor %}",
        "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}",
        "{% set ns = namespace(x=1) %}{% for m in messages %}{%- generation -%} {{ loop.index }} {% set ns.x = m.role %}{%- endgeneration +%} {% endfor %}{{ ns.x }}",
        "{{ '{% generation %}' }}{# {% generation %} #}{% raw %}{% generation %}{% endraw %}",
        "{%+ generation %}a{%+ endgeneration +%}\n",
        "{% generation %}a",
        "a{% endgeneration %}",
        "{% generation x %}a{% endgeneration %}",
        "{% set generation = 1 %}{{ generation }}",
        "{% if true %}{% generation %}a{% endif %}{% endgeneration %}",
        "{{ loop is defined }}",
        "{% trans %}a{% endtrans %}",
    ],
    "white space": [
        "a\n{% if yes %}\n  b\n{% endif %}\nc\n",
        "a\n  {% if yes %}\n  b\n  {% endif %}\nc\n\n",
        "a\n  {%- if yes -%}\n  b\n  {%- endif -%}\nc",
        "  {{ 1 }}\n  {{- 2 -}}  \n 3",
        "a  {%+ if yes %} b {% endif +%}\nc",
        "a {#- x -#} b\n{# y #}\nc",
        "\n\na\n",
        "a\r\n{% if yes %}\r\nb\r\n{% endif %}\r\n",
        "a\t{% if yes %}\tb{% endif %}",
        "{% if yes %}  \n x{% endif %}",
        "{{ 'a' }}\n\n",
        "   {# c #}   \n x",
        "{{- 'a' }}\n{{ 'b' -}}\n",
        "{%- for m in messages -%}\n  {{- m.role -}}\n{%- endfor -%}",
        "{{\n  'a'\n  ~ 'b'\n}}",
        "{% set x = {\n  'a': 1,\n} %}{{ x }}",
        "{{ [1, 2,] }}{{ (1, 2,) }}",
        "a{{ '\n' }}b{{ '\\n' }}c",
        "{{ 'a\r\nb' }}",
        "{% if yes -%}\n\n  a\n\n{%- endif %}\n\n\nb",
    ],
    "errors": [
        "{{ raise_exception('Roles must alternate') }}",
        "{{ raise_exception('a' ~ 1) }}",
        "{{ raise_exception(3) }}",
        "{{ raise_exception(none) }}",
        "{{ raise_exception() }}",
        "{{ raise_exception(unknown) }}",
        "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}",
        "{{ unknown() }}",
        "{{ map.a() }}",
        "{{ 'a' | unheard }}",
        "{{ 'a'.unheard() }}",
        "{{ unknown.a }}",
        "{{ 1 + 'a' }}",
        "{{ 'a' - 'b' }}",
        "{{ -'a' }}",
        "{% if %}",
        "{{ 'a }}",
        "{% for %}",
        "{{ a b }}",
        "{{ }}",
        "{% endif %}",
        "{{ (1 }}",
    ],
    "constructs of published templates": [
        "{%- if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}26 Jul 2024{% endif %}",
        "{{ strftime_now('%Y-%m-%d') }}",
        "{% set today = strftime_now('%B %d, %Y') %}{% set yesterday = 'x' %}{{ today }}{{ yesterday }}",
        "{{ strftime_now(format='%Y') }}",
        "{{ strftime_now() }}",
        "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content']|trim %}{%- set messages = messages[1:] %}{%- else %}{%- set system_message = '' %}{%- endif %}{{ system_message }}{{ messages|length }}",
        "{%- for message in messages %}{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ loop.index0 }}{%- endif %}{%- endfor %}",
        "{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}{%- if ns.multi_step_tool and message.role == 'user' and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}{%- set ns.multi_step_tool = false %}{%- set ns.last_query_index = index %}{%- endif %}{%- endfor %}{{ ns.last_query_index }}",
        "{%- for message in messages %}{%- set content = message.content %}{%- if '</think>' in content %}{%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{{ reasoning }}|{{ content }}{%- endif %}{%- endfor %}",
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}",
        "{%- if tools %}a{%- elif tools is not none %}b{%- else %}c{%- endif %}{{ tools is defined }}{{ documents is defined }}{{ documents is none }}",
        "{%- if not tools is defined %}{%- set tools = none %}{%- endif %}{{ tools }}",
        "{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}{%- if not date_string is defined %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{{ date_string }}",
        "{%- macro render_item_list(item_list, tag_name='required') -%}{%- if item_list is defined and item_list is iterable and item_list | length > 0 -%}{%- if tag_name -%}{{- '\\n<' ~ tag_name ~ '>' -}}{% endif %}{{- '[' }}{%- for item in item_list -%}{%- if loop.index > 1 -%}{{- ', ' -}}{% endif -%}{%- if item is string -%}{{ '`' ~ item ~ '`' }}{%- else -%}{{ item }}{%- endif -%}{%- endfor -%}{{- ']' }}{%- if tag_name -%}{{- '</' ~ tag_name ~ '>' -}}{%- endif -%}{%- endif -%}{%- endmacro -%}{{ render_item_list(words) }}{{ render_item_list(none) }}{{ render_item_list([1, 'a'], none) }}",
        "{%- for json_key in tool.function.parameters.properties.days.keys() | reject('in', ['type', 'description']) %}{%- set normed = json_key | replace('-', '_') | replace(' ', '_') %}{{ normed }}={{ tool.function.parameters.properties.days[json_key] | tojson }};{%- endfor %}",
        "{%- for name, field in tool.function.parameters.properties.items() %}{{ name }}:{% if field.type is string %}{{ field.type | upper }}{% elif field.type is sequence %}{{ field.type | map('upper') | join('|') }}{% endif %};{%- endfor %}",
        "{%- for name, field in tool.function.parameters.properties | dictsort %}{{ name }}{% if not loop.last %},{% endif %}{%- endfor %}",
        "{{ tool.function | tojson(indent=4) | replace('\"', \"'\") }}",
        "{%- set valid = true %}{%- for m in messages if m.role not in ['user', 'assistant'] %}{%- set valid = false %}{{ m.role }}{%- endfor %}{{ valid }}",
        "{{ (messages | last).role }}{{ messages | map(attribute='role') | join(',') }}{{ (messages | first)['role'] == 'system' }}",
        "{{ '<|' + messages[0].role + '|>' + messages[0].content + '<|end|>' }}",
        "{{ bos_token + '[INST] ' + messages[1]['content'].strip() + ' [/INST]' }}",
        "{% for m in messages %}{{ m['role'].title() }}: {{ m['content'] }}{{ '\\n\\n' if not loop.last else '' }}{% endfor %}",
        "{% set loop_messages = messages if messages[0].role != 'system' else messages[1:] %}{{ loop_messages | length }}",
        "{{ {'user': 'User', 'assistant': 'Bot'}.get(messages[1].role, 'x') }}{{ {'a': 1}['a'] }}",
        "{% set dt = {'integer': 'number', 'none': none} %}{{ dt['integer'] if 'integer' in dt else 'any' }}",
        "{%- for m in messages -%}{%- if m.content is string -%}{{ m.content }}{%- else -%}{%- for part in m.content -%}{%- if part.type == 'text' -%}{{ part.text }}{%- endif -%}{%- endfor -%}{%- endif -%}{%- endfor -%}",
        "{% set x = [] %}{% set x = x + [1] %}{% set x = x + ['a'] %}{{ x }}{{ x | length }}",
        "{% set ns = namespace(found=false, items=[]) %}{% for m in messages %}{% set ns.items = ns.items + [m.role] %}{% endfor %}{{ ns.items | join(' ') }}",
        "{% for m in messages | reverse %}{{ m.role }} {% endfor %}",
        "{% for m in messages | rejectattr('role', 'equalto', 'system') %}{{ m.role }} {% endfor %}",
        "{% for m in messages | selectattr('role', 'in', ['user', 'system']) | list %}{{ loop.length }}{{ m.role }} {% endfor %}",
        "{% for group in messages | groupby('role') %}{{ group.grouper }}:{{ group.list | length }} {% endfor %}",
        "{% for role, group in messages | groupby('role') %}{{ role }}:{{ group | length }} {% endfor %}",
        "{{ messages[0].content is defined and messages[0].content is not none and messages[0].content | length > 0 }}",
        "{% if messages[0].tool_calls %}a{% else %}b{% endif %}{% if messages[0]['tool_calls'] is defined and messages[0]['tool_calls'] %}c{% endif %}",
        "{{ '%02d:%02d' | format(3, 7) }}{{ '{:02d}'.format(5) }}",
        "{{ messages[1].content | replace('\\n', ' ') | truncate(8, true, '..') | upper | length }}",
        "{{ reasoning_effort | default('medium') }}{{ model_identity if model_identity is defined else 'You are ChatGPT' }}",
    ],
}

# Formats of strftime_now, each at the moments in DATES.
DATES = ["2026-01-01T00:00:00", "2024-02-29T13:05:09", "1999-12-31T23:59:59", "2027-01-03T12:00:00"]
FORMATS = (
    "%a %A %b %B %c %C %d %D %e %F %g %G %h %H %I %j %k %l %m %M %n %p %P %r %R %S %t %T %u %U %V %w %W %x %X %y %Y %z %Z %% %f "
    "%-d %-m %-H %-I %-j %-y %_d %_H %_m %05d %^a %^B %#p %#Z %3Y %-M %-S %0e %_j %E %Q % %Ey %Od %+"
).split(" ")
FORMATS += ["%d %B %Y, %H:%M", "%A, %-d. %b", "\u65e5\u671f %Y\u5e74", "", "100%", "%-"]
