cc -shared -fPIC -O2 -o native.so crc.c
