python3 -m unittest -q extra_tests
