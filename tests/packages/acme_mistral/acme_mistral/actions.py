import datetime
import time

from mistral_lib import actions
from mistral_lib import exceptions as exc
from mistral_lib import serialization


class Greet(actions.Action):
    """Greets somebody.

    :param name: whom
    """

    punctuation = '!'

    def __init__(self, name, greeting='Hello', times=1):
        super(Greet, self).__init__()
        self.name = name
        self.greeting = greeting
        self.times = times
        if times < 1:
            raise ValueError('greet at least once')

    def run(self, context):
        return ' '.join(['%s %s%s' % (self.greeting, self.name, self.punctuation)] * self.times)

    def test(self, context):
        return 'would greet %s' % self.name


class Order(actions.Action):
    """Orders something; the supplier reports when it is there."""

    def __init__(self, item):
        self.item = item

    def run(self, context):
        if self.item == 'nothing':
            return actions.Result(error={'reason': 'nothing to order'})
        return 'ignored'

    def is_sync(self):
        return False


class OrderIf(actions.Action):
    def __init__(self, wait=True):
        self.wait = wait

    def run(self, context):
        return 'done'

    def is_sync(self):
        return not self.wait


class Judge(actions.Action):
    def __init__(self, verdict):
        self.verdict = verdict

    def run(self, context):
        if self.verdict == 'good':
            return actions.Result(data={'verdict': 'good'})
        if self.verdict == 'bad':
            return actions.Result(error={'code': 42, 'verdict': 'bad'})
        if self.verdict == 'none':
            return actions.Result(cancel=True)
        if self.verdict == 'exit':
            raise SystemExit(3)
        raise exc.ActionException('no verdict on %s' % self.verdict)


class Anything(actions.Action):
    def __init__(self, **kwargs):
        self.given = kwargs

    def run(self, context):
        return sorted(self.given)


class WhoAmI(actions.Action):
    def __init__(self):
        super(WhoAmI, self).__init__()

    def run(self, context):
        return {
            'security': vars(context.security),
            'execution': dict(vars(context.execution)),
            'deprecated': {
                'project_id': context.project_id,
                'task_id': context.execution.task_id,
            },
        }


class Plain(object):
    """No relative of the library at all."""

    def __init__(self, number=1):
        self.number = number

    def run(self, context):
        assert context is None
        return self.number + 1


class Sealed(actions.Action):
    """Comes back from its serializer with what its constructor never made."""

    def __init__(self, text):
        self.text = text

    def run(self, context):
        return [self.text, self.connection]

    @classmethod
    def get_serialization_key(cls):
        return 'acme_mistral.actions.Sealed'


class SealedSerializer(serialization.DictBasedSerializer):
    def serialize_to_dict(self, entity):
        return {'text': entity.text}

    def deserialize_from_dict(self, entity_dict):
        sealed = Sealed(entity_dict['text'])
        sealed.connection = 'opened by the serializer'
        return sealed


serialization.register_serializer(Sealed, SealedSerializer())


class Point(object):
    def __init__(self, x, y):
        self.x = x
        self.y = y


class Objects(actions.Action):
    """Returns what has no JSON form of its own."""

    def run(self, context):
        return {'point': Point(1, 2), 'day': datetime.datetime(2020, 2, 29, 12), 'pair': (1, 2)}


class Slow(actions.Action):
    """Takes its time, and the thread with it."""

    def __init__(self, seconds):
        self.seconds = seconds

    def run(self, context):
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            time.sleep(0.005)
        return 'slept'
