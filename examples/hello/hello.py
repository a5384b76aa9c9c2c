from culm import work

@work
def square(x):
    return x * x

if __name__ == '__main__':
    print(square(7), list(square.map(range(10))))
