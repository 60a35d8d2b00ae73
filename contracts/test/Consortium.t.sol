// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ballot, IConsortium, Master, Role, Settings, SlaveChain} from "../src/interfaces/IConsortium.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

contract ConsortiumTest is MarketTest {
    address private constant NEWCOMER = address(0x80);
    bytes private constant NEXT_KEY = "next public key";
    uint256 private constant SECRET = 0x5ec7e7;

    // Founding

    function test_foundersGetNumbersFromOneAndTheGridMasterSettles() public view {
        assertEq(consortium.masterCount(), 4, "four masters");
        assertEq(consortium.activeMasterId(SOURCE), 1, "the first");
        assertEq(consortium.activeMasterId(USER), 4, "the last");
        assertEq(uint8(consortium.master(3).role), uint8(Role.Aggregator), "role");
        assertEq(consortium.settlementAgent(), 2, "the grid master");
        assertTrue(consortium.regulator() == REGULATOR, "regulator");
        assertTrue(
            keccak256(consortium.regulatorEncryptionKey()) == keccak256(REGULATOR_KEY), "the regulator's encryption key"
        );
        assertEq(consortium.settings().capTicks, CAP, "settings");
    }

    function test_aConsortiumNeedsAGridMaster() public {
        (address[] memory founders, Role[] memory roles) = _founders();
        roles[1] = Role.Source;
        _expect(abi.encodeWithSelector(IConsortium.RoleMissing.selector));
        _found(founders, roles, REGULATOR, REGULATOR_KEY, _settings());
    }

    function test_foundersAreDifferentAndNoneIsTheRegulator() public {
        (address[] memory founders, Role[] memory roles) = _founders();
        _expect(abi.encodeWithSelector(IConsortium.AccountNotFree.selector, SOURCE));
        _found(founders, roles, SOURCE, REGULATOR_KEY, _settings());
        founders[3] = SOURCE;
        _expect(abi.encodeWithSelector(IConsortium.AccountNotFree.selector, SOURCE));
        _found(founders, roles, REGULATOR, REGULATOR_KEY, _settings());
        founders[3] = address(0);
        _expect(abi.encodeWithSelector(IConsortium.AccountNotFree.selector, address(0)));
        _found(founders, roles, REGULATOR, REGULATOR_KEY, _settings());
    }

    // Votes

    function test_moreThanHalfOfTheMastersCarryAnAction() public {
        bytes memory action = _admission(NEWCOMER);
        assertFalse(_vote(SOURCE, action), "one of four");
        assertFalse(_vote(GRID, action), "two of four");
        (Ballot memory ballot,) = consortium.ballotOn(keccak256(action));
        assertEq(ballot.inFavour, 1 << 1 | 1 << 2, "two votes");
        assertEq(ballot.proposer, 1, "whose idea it was");
        vm.expectEmit(address(consortium));
        emit IConsortium.ActionCarried(keccak256(action));
        assertTrue(_vote(USER, action), "three of four");
        assertEq(consortium.openActions().length, 0, "the vote is over");
        assertEq(consortium.activeMasterId(NEWCOMER), 5, "carried out");
    }

    function test_aMasterVotesOnce() public {
        bytes memory action = _admission(NEWCOMER);
        _vote(SOURCE, action);
        _expect(abi.encodeWithSelector(IConsortium.VotedAlready.selector, keccak256(action)));
        _vote(SOURCE, action);
    }

    function test_theVoteOfASuspendedMasterDoesNotCount() public {
        bytes memory action = _admission(NEWCOMER);
        _vote(AGGREGATOR, action);
        _suspendAggregator();
        assertFalse(_vote(SOURCE, action), "one of three active masters");
        assertTrue(_vote(GRID, action), "two of three active masters");
    }

    function test_whoVotedAlreadyMayVoteAgainWhenSuspensionsMadeAMajority() public {
        bytes memory action = _admission(NEWCOMER);
        _vote(SOURCE, action);
        _vote(GRID, action);
        _suspendAggregator();
        assertTrue(_vote(SOURCE, action), "two of three active masters");
    }

    /// @dev A vote of five years ago counted once.
    function test_aVoteEnds() public {
        bytes memory action = _admission(NEWCOMER);
        _vote(SOURCE, action);
        _vote(GRID, action);
        vm.warp(block.timestamp + 14 days + 1);
        assertEq(consortium.openActions().length, 0, "forgotten");
        assertFalse(_vote(USER, action), "the first of a new vote");
        (Ballot memory ballot,) = consortium.ballotOn(keccak256(action));
        assertEq(ballot.inFavour, 1 << 4, "one vote");
        assertEq(consortium.openActions().length, 1, "one action");
    }

    function test_aVoteThatASuspensionEndedDoesNotReturnWithItsMaster() public {
        bytes memory action = _admission(NEWCOMER);
        _vote(AGGREGATOR, action);
        _suspendAggregator();
        _carry(abi.encodeCall(IConsortium.admit, (AGGREGATOR, Role.Aggregator)));
        assertFalse(_vote(SOURCE, action), "one of four");
        assertFalse(_vote(GRID, action), "two of four");
        assertTrue(_vote(AGGREGATOR, action), "three of four");
    }

    function test_aVoteIsWithdrawn() public {
        bytes memory action = _admission(NEWCOMER);
        bytes32 actionId = keccak256(action);
        _vote(SOURCE, action);
        _vote(GRID, action);
        vm.expectEmit(address(consortium));
        emit IConsortium.VoteWithdrawn(actionId, 1);
        vm.prank(SOURCE);
        consortium.withdrawVote(actionId);
        assertFalse(_vote(USER, action), "two of four");
        vm.prank(GRID);
        consortium.withdrawVote(actionId);
        vm.expectEmit(address(consortium));
        emit IConsortium.ActionRejected(actionId);
        vm.prank(USER);
        consortium.withdrawVote(actionId);
        _expect(abi.encodeWithSelector(IConsortium.NothingToVoteOn.selector, actionId));
        consortium.ballotOn(actionId);
    }

    function test_halfOfTheMastersEndAVote() public {
        bytes memory action = _admission(NEWCOMER);
        bytes32 actionId = keccak256(action);
        _vote(SOURCE, action);
        _vote(GRID, action);
        vm.prank(GRID);
        consortium.oppose(actionId);
        (Ballot memory ballot,) = consortium.ballotOn(actionId);
        assertEq(ballot.inFavour, 1 << 1, "who opposes is not for it");
        vm.expectEmit(address(consortium));
        emit IConsortium.ActionRejected(actionId);
        vm.prank(USER);
        consortium.oppose(actionId);
        _expect(abi.encodeWithSelector(IConsortium.NothingToVoteOn.selector, actionId));
        vm.prank(USER);
        consortium.oppose(actionId);
    }

    function test_whoOpposedMayVoteForItAfterAll() public {
        bytes memory action = _admission(NEWCOMER);
        _vote(SOURCE, action);
        vm.prank(GRID);
        consortium.oppose(keccak256(action));
        _vote(GRID, action);
        (Ballot memory ballot,) = consortium.ballotOn(keccak256(action));
        assertEq(ballot.against, 0, "nobody is against it");
        assertTrue(_vote(USER, action), "three of four");
    }

    function test_whatIsVotedOnAndWhatItReplacesIsReadable() public {
        Settings memory settings = _settings();
        settings.capTicks = CAP + 1;
        bytes memory action = abi.encodeCall(IConsortium.changeSettings, (settings));
        _vote(SOURCE, action);
        bytes32[] memory actionIds = consortium.openActions();
        (Ballot memory ballot, bytes memory inForce) = consortium.ballotOn(actionIds[0]);
        assertTrue(keccak256(ballot.action) == keccak256(action), "the new");
        action = abi.encodeCall(IConsortium.changeSettings, (_settings()));
        assertTrue(keccak256(inForce) == keccak256(action), "the old");
        assertEq(ballot.end, block.timestamp + 14 days, "until when");
    }

    function test_aMasterKeepsNobodyFromVotingByManyProposals() public {
        for (uint160 i; i < 8; ++i) {
            _vote(SOURCE, _admission(address(0x1000 + i)));
        }
        _expect(abi.encodeWithSelector(IConsortium.TooManyActions.selector, uint16(1)));
        _vote(SOURCE, _admission(NEWCOMER));
        _vote(GRID, _admission(NEWCOMER));
        assertFalse(_vote(SOURCE, _admission(NEWCOMER)), "another's it may still vote for");
        assertEq(consortium.openActions().length, 9, "open");
    }

    function test_mastersThatAreAdmittedRaiseTheMajority() public {
        _carry(_admission(NEWCOMER));
        _carry(_admission(STRANGER));
        bytes memory action = abi.encodeCall(IConsortium.changeRegulator, (address(0x61), REGULATOR_KEY));
        _vote(SOURCE, action);
        _vote(GRID, action);
        assertFalse(_vote(USER, action), "three of six");
        assertTrue(_vote(NEWCOMER, action), "four of six");
    }

    function test_onlyActiveMastersVote() public {
        _suspendAggregator();
        address[3] memory outsiders = [STRANGER, REGULATOR, AGGREGATOR];
        for (uint256 i; i < outsiders.length; ++i) {
            _expect(abi.encodeWithSelector(IConsortium.NotActiveMaster.selector, outsiders[i]));
            _vote(outsiders[i], _admission(NEWCOMER));
        }
    }

    function test_anActionThatIsNoneFailsWithItsLastVote() public {
        bytes[3] memory actions = [
            abi.encodeWithSelector(bytes4(0x12345678)),
            abi.encodeCall(IConsortium.vote, ("")),
            abi.encodeCall(IConsortium.changeKey, (NEWCOMER, 27, 0, 0))
        ];
        for (uint256 i; i < actions.length; ++i) {
            _vote(SOURCE, actions[i]);
            _vote(GRID, actions[i]);
            vm.expectRevert();
            _vote(USER, actions[i]);
        }
    }

    function test_whatNeedsAVoteCannotBeCalledDirectly() public {
        bytes[6] memory actions = [
            _admission(NEWCOMER),
            abi.encodeCall(IConsortium.suspend, (1)),
            abi.encodeCall(IConsortium.changeDispatcher, (1)),
            abi.encodeCall(IConsortium.changeSettings, (_settings())),
            abi.encodeCall(IConsortium.changeSettlementAgent, (1)),
            abi.encodeCall(IConsortium.changeRegulator, (NEWCOMER, NEXT_KEY))
        ];
        for (uint256 i; i < actions.length; ++i) {
            vm.prank(GRID);
            (bool succeeded, bytes memory reason) = address(consortium).call(actions[i]);
            assertFalse(succeeded, "refused");
            assertTrue(bytes4(reason) == IConsortium.OnlyByVote.selector, "only by vote");
        }
    }

    // Members

    function test_aSuspendedMasterIsAdmittedAgainUnderItsNumber() public {
        _suspendAggregator();
        assertFalse(consortium.master(3).active, "suspended");
        assertFalse(consortium.mayTrade(3), "does not trade");
        bytes memory action = abi.encodeCall(IConsortium.admit, (AGGREGATOR, Role.User));
        _vote(SOURCE, action);
        vm.expectEmit(address(consortium));
        emit IConsortium.MasterAdmitted(3, AGGREGATOR, Role.User);
        _vote(GRID, action);
        Master memory again = consortium.master(3);
        assertTrue(again.active && again.account == AGGREGATOR && again.role == Role.User, "active again");
        assertTrue(consortium.mayTrade(3), "trades again");
        assertEq(consortium.masterCount(), 4, "no new number");
    }

    function test_nothingToChangeIsSaid() public {
        _carryReverts(
            abi.encodeCall(IConsortium.admit, (AGGREGATOR, Role.User)),
            abi.encodeWithSelector(IConsortium.NothingToChange.selector, uint16(3))
        );
        _suspendAggregator();
        _carryReverts(
            abi.encodeCall(IConsortium.suspend, (3)),
            abi.encodeWithSelector(IConsortium.NothingToChange.selector, uint16(3))
        );
    }

    function test_whoHoldsAnOfficeIsNotSuspended() public {
        assertEq(consortium.settlementAgent(), 2, "the first grid master settles");
        assertEq(consortium.dispatcher(), 2, "and dispatches");
        bytes memory action = abi.encodeCall(IConsortium.suspend, (2));
        _carryReverts(action, abi.encodeWithSelector(IConsortium.MasterNeeded.selector, uint16(2)));
        _carry(abi.encodeCall(IConsortium.changeSettlementAgent, (1)));
        vm.expectRevert(abi.encodeWithSelector(IConsortium.MasterNeeded.selector, uint16(2)));
        vm.prank(USER);
        consortium.vote(action);
        _carry(abi.encodeCall(IConsortium.changeDispatcher, (3)));
        assertEq(consortium.dispatcher(), 3, "another dispatches");
        assertTrue(_vote(USER, action), "the third vote");
        assertFalse(consortium.master(2).active, "suspended once others settle and dispatch");
    }

    function test_anOfficeIsHeldByAnActiveMaster() public {
        _suspendAggregator();
        for (uint16 masterId = 3; masterId <= 5; masterId += 2) {
            bytes memory reason = abi.encodeWithSelector(IConsortium.UnknownMaster.selector, masterId);
            _carryReverts(abi.encodeCall(IConsortium.changeSettlementAgent, (masterId)), reason);
            _carryReverts(abi.encodeCall(IConsortium.changeDispatcher, (masterId)), reason);
        }
    }

    function test_aMasterNeedsARoleAndAFreeAccount() public {
        _carryReverts(
            abi.encodeCall(IConsortium.admit, (NEWCOMER, Role.None)),
            abi.encodeWithSelector(IConsortium.RoleMissing.selector)
        );
        _carryReverts(_admission(REGULATOR), abi.encodeWithSelector(IConsortium.AccountNotFree.selector, REGULATOR));
        _carryReverts(_admission(address(0)), abi.encodeWithSelector(IConsortium.AccountNotFree.selector, address(0)));
    }

    function test_aConsortiumHasAtMost255Masters() public {
        (address[] memory founders, Role[] memory roles) = (new address[](256), new Role[](256));
        for (uint160 i; i < 256; ++i) {
            (founders[i], roles[i]) = (address(0x1000 + i), Role.Grid);
        }
        _expect(abi.encodeWithSelector(IConsortium.TooManyMasters.selector));
        _found(founders, roles, REGULATOR, REGULATOR_KEY, _settings());
        assembly {
            mstore(founders, 255)
            mstore(roles, 255)
        }
        IConsortium full = _found(founders, roles, REGULATOR, REGULATOR_KEY, _settings());
        assertEq(full.activeMasterId(founders[254]), 255, "the last number");
        bytes memory action = abi.encodeCall(IConsortium.suspend, (3));
        for (uint256 i; i < 128; ++i) {
            vm.prank(founders[i]);
            assertTrue(full.vote(action) == (i == 127), "128 of 255");
        }
    }

    function test_aMasterReplacesItsOwnKey() public {
        address next = vm.addr(SECRET);
        vm.expectEmit(address(consortium));
        emit IConsortium.MasterKeyChanged(1, next);
        _changeKey(SOURCE, 1);
        assertEq(consortium.activeMasterId(next), 1, "the new key");
        _expect(abi.encodeWithSelector(IConsortium.NotActiveMaster.selector, SOURCE));
        consortium.activeMasterId(SOURCE);
        address[3] memory taken = [GRID, REGULATOR, address(0)];
        for (uint256 i; i < taken.length; ++i) {
            _expect(abi.encodeWithSelector(IConsortium.AccountNotFree.selector, taken[i]));
            vm.prank(next);
            consortium.changeKey(taken[i], 27, 0, 0);
        }
    }

    /// @dev A consent that was seen on its way is of no use to another master, nor on another chain.
    function test_aKeyActsForTheMasterThatItConsentedTo() public {
        address next = vm.addr(SECRET);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SECRET, consortium.keyConsent(1));
        bytes memory missing = abi.encodeWithSelector(IConsortium.ConsentMissing.selector, next);
        _expect(missing);
        vm.prank(GRID);
        consortium.changeKey(next, v, r, s);
        _expect(missing);
        vm.prank(GRID);
        consortium.changeKey(next, 0, 0, 0);
        _expect(abi.encodeWithSelector(IConsortium.ConsentMissing.selector, NEWCOMER));
        vm.prank(SOURCE);
        consortium.changeKey(NEWCOMER, v, r, s);
        vm.prank(SOURCE);
        consortium.changeKey(next, v, r, s);
        assertEq(consortium.activeMasterId(next), 1, "whom it consented to");
    }

    function test_aNewKeyDoesNotVoteAgain() public {
        bytes memory action = _admission(STRANGER);
        _vote(SOURCE, action);
        _changeKey(SOURCE, 1);
        _expect(abi.encodeWithSelector(IConsortium.VotedAlready.selector, keccak256(action)));
        _vote(vm.addr(SECRET), action);
    }

    // Settings

    function test_settingsChangeByVote() public {
        Settings memory settings = _settings();
        settings.coolingOffSeconds = 0;
        bytes memory action = abi.encodeCall(IConsortium.changeSettings, (settings));
        _vote(SOURCE, action);
        _vote(GRID, action);
        vm.expectEmit(address(consortium));
        emit IConsortium.SettingsChanged(settings);
        _vote(USER, action);
        assertEq(consortium.settings().coolingOffSeconds, 0, "changed");
    }

    function test_settingsThatStopTheMarketAreInvalid() public {
        Settings[4] memory invalid = [_settings(), _settings(), _settings(), _settings()];
        invalid[0].floorTicks = CAP + 1;
        invalid[1].maxCandidates = 0;
        invalid[2].tradingRoles = 0;
        invalid[3].incentivePermille = 1_001;
        for (uint256 i; i < invalid.length; ++i) {
            _carryReverts(
                abi.encodeCall(IConsortium.changeSettings, (invalid[i])),
                abi.encodeWithSelector(IConsortium.SettingsInvalid.selector)
            );
        }
    }

    function test_onlyTheRolesThatMayTradeDo() public {
        Settings memory settings = _settings();
        settings.tradingRoles = uint8(1 << uint8(Role.User));
        _change(settings);
        assertTrue(consortium.mayTrade(4), "the user master");
        assertFalse(consortium.mayTrade(1), "the source master");
        assertFalse(consortium.mayTrade(0) || consortium.mayTrade(9), "nobody else");
    }

    // Validators

    function test_aMasterRegistersItsValidatorAndReplacesIt() public {
        vm.expectEmit(address(consortium));
        emit IConsortium.ValidatorRegistered(1, "key", "node", new bytes(64));
        _register(SOURCE, "key", "node");
        (bytes32 key, bytes20 nodeId) = consortium.validator(1);
        assertTrue(key == "key" && nodeId == "node", "registered");
        _register(SOURCE, "key", "other node");
        _register(SOURCE, "other key", "other node");
        (key,) = consortium.validator(1);
        assertTrue(key == "other key", "replaced");
        _register(SOURCE, "key", "node");
        (key,) = consortium.validator(1);
        assertTrue(key == "key", "the old one is still its own");
    }

    /// @dev The nodes let a registration count whose proof holds; so who was first need not, and must not, matter.
    function test_nobodyKeepsAMasterFromRegisteringItsKey() public {
        _register(GRID, "key", "another node");
        _register(SOURCE, "key", "node");
        (bytes32 key,) = consortium.validator(1);
        assertTrue(key == "key", "registered");
    }

    function test_aValidatorNeedsAKeyANodeAndAProof() public {
        bytes memory reason = abi.encodeWithSelector(IConsortium.ValidatorInvalid.selector);
        _expect(reason);
        vm.prank(GRID);
        consortium.registerValidator("key", "node", new bytes(63));
        _expect(reason);
        _register(GRID, 0, "node");
        _expect(reason);
        _register(GRID, "another key", 0);
        _expect(abi.encodeWithSelector(IConsortium.NotActiveMaster.selector, NEWCOMER));
        _register(NEWCOMER, "another key", "node");
    }

    // Slave chains

    function test_aMasterRegistersItsSlaveChainOnce() public {
        vm.expectEmit(address(consortium));
        emit IConsortium.SlaveRegistered(1, 7, "genesis", address(0x77));
        vm.prank(SOURCE);
        consortium.registerSlave(7, "genesis", address(0x77));
        SlaveChain memory registered = consortium.slaveChain(1);
        assertEq(registered.chainId, 7, "chain id");
        assertTrue(registered.genesisHash == "genesis" && registered.ledger == address(0x77), "genesis and ledger");
        _expect(abi.encodeWithSelector(IConsortium.SlaveRegisteredAlready.selector, uint16(1)));
        vm.prank(SOURCE);
        consortium.registerSlave(8, "genesis", address(0x77));
    }

    function test_aSlaveChainIsNamedCompletely() public {
        bytes memory reason = abi.encodeWithSelector(IConsortium.SlaveInvalid.selector);
        vm.expectRevert(reason);
        vm.prank(SOURCE);
        consortium.registerSlave(0, "genesis", address(0x77));
        vm.expectRevert(reason);
        vm.prank(SOURCE);
        consortium.registerSlave(7, 0, address(0x77));
        vm.expectRevert(reason);
        vm.prank(SOURCE);
        consortium.registerSlave(7, "genesis", address(0));
    }

    // The regulator

    function test_theRegulatorWritesNothing() public {
        bytes memory reason = abi.encodeWithSelector(IConsortium.NotActiveMaster.selector, REGULATOR);
        bytes[3] memory calls = [
            abi.encodeCall(IConsortium.vote, (_admission(NEWCOMER))),
            abi.encodeCall(IConsortium.changeKey, (NEWCOMER, 27, 0, 0)),
            abi.encodeCall(IConsortium.registerSlave, (7, "genesis", address(0x77)))
        ];
        for (uint256 i; i < calls.length; ++i) {
            vm.prank(REGULATOR);
            (bool succeeded, bytes memory answer) = address(consortium).call(calls[i]);
            assertFalse(succeeded, "refused");
            assertTrue(keccak256(answer) == keccak256(reason), "not an active master");
        }
    }

    function test_anotherRegulatorIsNamedByVoteWithItsEncryptionKey() public {
        bytes memory action = abi.encodeCall(IConsortium.changeRegulator, (NEWCOMER, NEXT_KEY));
        _vote(SOURCE, action);
        _vote(GRID, action);
        vm.expectEmit(address(consortium));
        emit IConsortium.RegulatorChanged(NEWCOMER, NEXT_KEY);
        _vote(USER, action);
        assertTrue(consortium.regulator() == NEWCOMER, "the new one");
        assertTrue(keccak256(consortium.regulatorEncryptionKey()) == keccak256(NEXT_KEY), "its key");
        _carryReverts(
            abi.encodeCall(IConsortium.changeRegulator, (SOURCE, NEXT_KEY)),
            abi.encodeWithSelector(IConsortium.AccountNotFree.selector, SOURCE)
        );
    }

    function test_aRegulatorNeedsAnEncryptionKey() public {
        _carryReverts(
            abi.encodeCall(IConsortium.changeRegulator, (NEWCOMER, "")),
            abi.encodeWithSelector(IConsortium.EncryptionKeyMissing.selector)
        );
    }

    function _admission(address account) private pure returns (bytes memory) {
        return abi.encodeCall(IConsortium.admit, (account, Role.User));
    }

    function _vote(address voter, bytes memory action) private returns (bool) {
        vm.prank(voter);
        return consortium.vote(action);
    }

    function _carryReverts(bytes memory action, bytes memory reason) private {
        address[3] memory voters = [SOURCE, GRID, USER];
        for (uint256 i; i < voters.length; ++i) {
            vm.prank(voters[i]);
            (bool succeeded, bytes memory answer) = address(consortium).call(abi.encodeCall(IConsortium.vote, (action)));
            if (succeeded) continue;
            assertTrue(keccak256(answer) == keccak256(reason), "the reason of the refusal");
            return;
        }
        assertTrue(false, "the action was carried out");
    }

    function _register(address master, bytes32 key, bytes20 nodeId) private {
        vm.prank(master);
        consortium.registerValidator(key, nodeId, new bytes(64));
    }

    function _changeKey(address master, uint16 masterId) private {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SECRET, consortium.keyConsent(masterId));
        vm.prank(master);
        consortium.changeKey(vm.addr(SECRET), v, r, s);
    }

    function _expect(bytes memory reason) private {
        vm.expectRevert(reason);
    }

    function _found(
        address[] memory founders,
        Role[] memory roles,
        address regulator,
        bytes memory encryptionKey,
        Settings memory settings
    ) private returns (IConsortium) {
        bytes memory arguments = abi.encode(founders, roles, regulator, encryptionKey, settings);
        return IConsortium(vm.deployCode("Consortium.sol", arguments));
    }
}
