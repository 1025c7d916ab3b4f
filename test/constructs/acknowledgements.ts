/** One finding of cdk-nag that is meant to be as it is. */
export interface Acknowledgement {
  /** Of the construct below the stack. */
  readonly path: string;
  readonly rule: string;
  readonly reason: string;
  /** Only in one of the profiles. */
  readonly profile?: "dev" | "prod";
}

const managed = (name: string) =>
  `AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/${name}]`;

const FUNCTIONS = ["Migrations/Deploy", "Migrations/Status", "Migrations/Operate"];
/** The functions outside the VPC, which CDK's framework calls. */
const CALLED = ["Migrations/StackEvent", "Migrations/Completion"];
const [ON_EVENT, ...LATER] = [
  "Migrations/Provider/framework-onEvent",
  "Migrations/Provider/framework-isComplete",
  "Migrations/Provider/framework-onTimeout",
] as const;
const WAITER = "Migrations/Provider/waiter-state-machine";

/**
 * What cdk-nag (AwsSolutions) finds in the app, and why it stays.
 * @param idOf logical id of the function at a path
 */
export const acknowledgements = (idOf: (path: string) => string): readonly Acknowledgement[] => [
  {
    path: "Database/Vpc",
    rule: "AwsSolutions-VPC7",
    reason:
      "Nothing enters or leaves this VPC: it has no gateway, and security groups name each other. Flow logs would cost " +
      "more than they could show; database.vpc.addFlowLog() adds them.",
  },
  {
    path: "Database/Instance/Secret",
    rule: "AwsSolutions-SMG4",
    reason:
      "Rotation needs a function of its own in the VPC and is the user's choice: database.instance.addRotationSingleUser(). " +
      "The functions read the secret each time they run, so they are ready for it.",
  },
  {
    path: "Database/Instance",
    rule: "AwsSolutions-RDS3",
    profile: "dev",
    reason: "A development database need not outlive the failure of an availability zone.",
  },
  {
    path: "Database/Instance",
    rule: "AwsSolutions-RDS10",
    profile: "dev",
    reason: "A development database is there to be thrown away; a last snapshot is taken.",
  },
  {
    path: "Database/Instance",
    rule: "AwsSolutions-RDS11",
    reason:
      "Another port hides nothing: only the functions' security group gets to it, over TLS with a password.",
  },
  {
    path: "Database/Instance/MonitoringRole",
    rule: managed("AmazonRDSEnhancedMonitoringRole"),
    profile: "prod",
    reason: "AWS's own policy for enhanced monitoring: it may write to that service's log groups only.",
  },
  ...FUNCTIONS.flatMap((path) => [
    {
      path,
      rule: managed("AWSLambdaBasicExecutionRole"),
      reason:
        "AWS's own policy for writing logs. From isolated subnets the function reaches no other API with it.",
    },
    {
      path,
      rule: managed("AWSLambdaVPCAccessExecutionRole"),
      reason:
        "AWS's own policy for a function in a VPC. Network interfaces have no names beforehand: a policy of our own " +
        "would need the same wildcard.",
    },
  ]),
  ...[...CALLED, ON_EVENT, ...LATER].map((path) => ({
    path,
    rule: managed("AWSLambdaBasicExecutionRole"),
    reason:
      "AWS's own policy for writing logs. Beside it the function may call one other function, and ours may ask for the " +
      "status of this stack.",
  })),
  ...[ON_EVENT, ...LATER].flatMap((path) =>
    CALLED.map((called) => ({
      path,
      rule: `AwsSolutions-IAM5[Resource::<${idOf(called)}.Arn>:*]`,
      reason:
        "CDK's provider framework may call any version of two functions, those in front of the deploy function.",
    })),
  ),
  ...LATER.map((called) => ({
    path: WAITER,
    rule: `AwsSolutions-IAM5[Resource::<${idOf(called)}.Arn>:*]`,
    reason: "CDK's state machine may call any version of the two functions that it has.",
  })),
  {
    path: "Migrations/Runner",
    rule: "AwsSolutions-SF1",
    reason:
      "For a log of its own the role needs rights on every log delivery of the account. The history of an execution is kept " +
      "for 90 days, and the function logs each slice.",
  },
  {
    path: "Migrations/Runner",
    rule: "AwsSolutions-SF2",
    reason:
      "One function is called in a loop: the history of an execution has all times. Tracing needs rights on every trace.",
  },
  {
    path: WAITER,
    rule: "AwsSolutions-SF1",
    reason:
      "Its log would hold the address for the answer to CloudFormation, and needs rights to every log delivery.",
  },
  {
    path: WAITER,
    rule: "AwsSolutions-SF2",
    reason: "It calls one function again and again; the deploy function's log says what that did.",
  },
];
